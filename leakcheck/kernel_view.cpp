// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/kernel_view.hpp>

#include <ringfence/leakcheck/process_state.hpp>
#include <ringfence/leakcheck/simulated_driver.hpp>
#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/uring_driver.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <iterator>
#include <optional>
#include <sched.h>
#include <set>
#include <unistd.h>

namespace rf::leakcheck {
namespace {

constexpr std::uint64_t own_polls = 1;  // of the doorbell, which the loop does not count
constexpr const char* descriptors_path = "/proc/self/fd";

/// The number after `key` at the start of a line.
bool read_field(std::string_view line, std::string_view key, std::uint64_t& to) {
    if (!line.starts_with(key)) return false;
    line.remove_prefix(key.size());
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t'))
        line.remove_prefix(1);
    return std::from_chars(line.data(), line.data() + line.size(), to).ec == std::errc();
}

/// A slot and what is in it: "    3: socket:[4711]". Empty ones are left out by the kernel, or say
/// so: which, depends on its version, and for buffers it is the latter.
bool read_slot(std::string_view line, std::uint32_t& slot, std::string_view& held) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), slot);
    if (error != std::errc()) return false;
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    if (!line.starts_with(": ")) return false;
    held = line.substr(2);
    return held != "<none>";
}

/// The whole of a file of /proc; null and `error` where it cannot be read.
std::optional<std::string> read_all(const std::string& path, int& error) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        error = errno;
        return std::nullopt;
    }
    std::string text;
    char part[4096];
    ssize_t got = 0;
    while ((got = ::read(fd, part, sizeof part)) > 0)
        text.append(part, static_cast<std::size_t>(got));
    error = got < 0 ? errno : 0;
    ::close(fd);
    if (error != 0) return std::nullopt;
    return text;
}

/// Why `path` cannot be opened, or 0.
int error_of_opening(const char* path) {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    ::close(fd);
    return 0;
}

std::string not_compared(const char* what, std::string_view path, int error) {
    return fmt::format("{} not compared with the kernel's books: {} cannot be read ({}); /proc has "
                       "to be mounted, and one descriptor left to read it\n",
                       what, path, std::strerror(error));
}

/// The part about the ring of `owner`, if it has one.
std::string ring_findings(loop& owner) {
    const int ring = owner.kernel().ring_descriptor();
    if (ring < 0) return {};
    ring_registrations registered;
    if (const auto* own = dynamic_cast<const rf::detail::uring_driver*>(&owner.kernel()))
        registered = {own->files().slots(), own->files().held()};
    const std::string path = fmt::format("/proc/self/fdinfo/{}", ring);
    ring_view view;
    bool is_ring = false;
    // The kernel leaves out the slots, or all, while one of its workers holds the ring's lock.
    for (int attempt = 0; attempt < 100; ++attempt) {
        int error = 0;
        const std::optional<std::string> text = read_all(path, error);
        if (!text) return not_compared("the ring was", path, error);
        is_ring = view.parse(*text);
        if (is_ring && (registered.files_held.empty() || !view.files_held.empty())) break;
        ::sched_yield();
    }
    if (is_ring) return kernel_reconciliation::compare(view, owner.account(), registered);
    return fmt::format("the ring was not compared with the kernel's books: {} tells of no ring\n",
                       path);
}

std::string who(const descriptor_entry& entry) {
    return fmt::format("descriptor {} ({} opened at {} by task {})", entry.fd, entry.kind,
                       rf::detail::to_string(entry.opened), entry.task_id);
}

}  // namespace

bool ring_view::parse(std::string_view text) {
    *this = {};
    std::uint64_t sq_head = 0;
    std::uint64_t sq_tail = 0;
    std::uint64_t cq_head = 0;
    std::uint64_t cq_tail = 0;
    bool ring = false;
    enum class part { fields, file_slots, buffer_slots, polls, overflow } in = part::fields;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        std::uint64_t opcode = 0;
        std::uint32_t slot = 0;
        std::string_view held;
        if (line.starts_with("UserFiles:"))
            in = part::file_slots;
        else if (line.starts_with("UserBufs:"))
            in = part::buffer_slots;
        else if (line.starts_with("PollList:"))
            in = part::polls;
        else if (line.starts_with("CqOverflowList:"))
            in = part::overflow;
        else if (in != part::fields && !line.empty() && line.front() != ' ')
            in = part::fields;
        else if (in == part::file_slots && read_slot(line, slot, held))
            files_held.insert_or_assign(slot, held);
        else if (in == part::buffer_slots && read_slot(line, slot, held))
            ++buffers_held;
        else if (in == part::polls && read_field(line, "  op=", opcode))
            ++armed[static_cast<unsigned>(opcode)];
        else if (in == part::overflow && line.find("user_data=") != line.npos)
            ++overflowed;
        ring |= read_field(line, "CqTail:", cq_tail);
        (void)(read_field(line, "SqHead:", sq_head) || read_field(line, "SqTail:", sq_tail) ||
               read_field(line, "CqHead:", cq_head) || read_field(line, "UserFiles:", files) ||
               read_field(line, "UserBufs:", buffers));
    }
    unsubmitted = sq_tail - sq_head;
    unreaped = cq_tail - cq_head;
    return ring;
}

std::uint64_t ring_view::armed_count() const noexcept {
    std::uint64_t all = 0;
    for (const auto& [opcode, count] : armed)
        all += count;
    return all;
}

std::string kernel_reconciliation::compare(const ring_view& view, const accounting& counted,
                                           const ring_registrations& registered) {
    std::string text;
    if (view.overflowed != 0)
        text += fmt::format("{} completions overflowed the completion queue and wait in the "
                            "kernel\n",
                            view.overflowed);
    if (view.unreaped != 0 && counted.operations == 0)
        text += fmt::format("{} completions wait that no operation of this loop expects\n",
                            view.unreaped);
    if (view.armed_count() > counted.operations + own_polls) {
        text += fmt::format("{} requests wait in the kernel, and the loop knows of {}; by opcode:",
                            view.armed_count() - own_polls, counted.operations);
        for (const auto& [opcode, count] : view.armed)
            text += fmt::format(" {} of {}", count, opcode);
        text += '\n';
    }
    if (view.files != registered.files)
        text += fmt::format("the ring's table of registered files has {} slots, and its loop made "
                            "{}: somebody else has registered or unregistered it\n",
                            view.files, registered.files);
    for (const auto& [slot, held] : view.files_held)
        if (!std::ranges::binary_search(registered.files_held, slot))
            text += fmt::format("slot {} of the ring's registered files holds {}, and no object "
                                "here has put it there\n",
                                slot, held);
    for (const std::uint32_t slot : registered.files_held)
        if (!view.files_held.contains(slot))
            text += fmt::format("slot {} of the ring's registered files is empty, and an object "
                                "here has its descriptor in it: somebody else took that out\n",
                                slot);
    if (view.buffers != 0)
        text += fmt::format("{} registered buffers in a table of {}, and no object here registers "
                            "any\n",
                            view.buffers_held, view.buffers);
    return text;
}

kernel_reconciliation::kernel_reconciliation() : before_(open_descriptors()) {}

std::string kernel_reconciliation::findings() const {
    loop& owner = loop::here();
    const std::map<int, std::string> now = open_descriptors();
    const int unreadable = now.empty() ? error_of_opening(descriptors_path) : 0;
    // What a simulated kernel has given out is not among the descriptors of the process.
    const bool in_process = simulated_driver::current() == nullptr && unreadable == 0;
    std::set<int> owned;
    std::string text;
    owner.ledger().for_each([&](const descriptor_entry& entry) {
        if (!owned.insert(entry.fd).second)
            text += who(entry) + " has a number that another object still owns: somebody closed "
                                 "that object's descriptor\n";
        else if (in_process && !now.contains(entry.fd))
            text += who(entry) + " is not open any more: somebody else has closed it\n";
    });
    for (const std::string& fault : owner.ledger().faults())
        text += fault + "\n";
    if (unreadable != 0)
        return text + not_compared("descriptors and ring were", descriptors_path, unreadable);
    if (before_.empty())
        text += fmt::format("new descriptors were not looked for: {} could not be read when the "
                            "reconciliation was made\n",
                            descriptors_path);
    for (const auto& [fd, target] : now)
        if (!before_.empty() && !before_.contains(fd) && !owned.contains(fd))
            text += fmt::format("descriptor {} ({}) was opened meanwhile, and no object owns it\n",
                                fd, target);
    return text + ring_findings(owner);
}

}  // namespace rf::leakcheck
