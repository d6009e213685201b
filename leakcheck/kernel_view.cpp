// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/kernel_view.hpp>

#include <ringfence/leakcheck/process_state.hpp>
#include <ringfence/leakcheck/simulated_driver.hpp>
#include <ringfence/runtime/cancel_error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <set>

namespace rf::leakcheck {
namespace {

constexpr std::uint64_t own_polls = 1;  // of the doorbell, which the loop does not count

/// The number after `key` at the start of a line.
bool read_field(std::string_view line, std::string_view key, std::uint64_t& to) {
    if (!line.starts_with(key)) return false;
    line.remove_prefix(key.size());
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t'))
        line.remove_prefix(1);
    return std::from_chars(line.data(), line.data() + line.size(), to).ec == std::errc();
}

std::string read_fdinfo(int fd) {
    std::ifstream file(fmt::format("/proc/self/fdinfo/{}", fd));
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
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
    enum class part { fields, polls, overflow } in = part::fields;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        std::uint64_t opcode = 0;
        if (line.starts_with("PollList:"))
            in = part::polls;
        else if (line.starts_with("CqOverflowList:"))
            in = part::overflow;
        else if (in != part::fields && !line.empty() && line.front() != ' ')
            in = part::fields;
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

std::string kernel_reconciliation::compare(const ring_view& view, const accounting& counted) {
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
    if (view.files != 0)
        text += fmt::format("{} registered files, and no object here registers any\n", view.files);
    if (view.buffers != 0)
        text +=
            fmt::format("{} registered buffers, and no object here registers any\n", view.buffers);
    return text;
}

kernel_reconciliation::kernel_reconciliation() : before_(open_descriptors()) {}

std::string kernel_reconciliation::findings() const {
    const loop& owner = loop::here();
    const bool simulated = simulated_driver::current() != nullptr;
    const std::map<int, std::string> now = open_descriptors();
    std::set<int> owned;
    std::string text;
    owner.ledger().for_each([&](const descriptor_entry& entry) {
        if (!owned.insert(entry.fd).second)
            text += who(entry) + " has a number that another object still owns: somebody closed "
                                 "that object's descriptor\n";
        else if (!simulated && !now.contains(entry.fd))
            text += who(entry) + " is not open any more: somebody else has closed it\n";
    });
    for (const std::string& fault : owner.ledger().faults())
        text += fault + "\n";
    for (const auto& [fd, target] : now)
        if (!before_.contains(fd) && !owned.contains(fd))
            text += fmt::format("descriptor {} ({}) was opened meanwhile, and no object owns it\n",
                                fd, target);
    if (const int ring = const_cast<loop&>(owner).kernel().ring_descriptor(); ring >= 0) {
        ring_view view;
        if (view.parse(read_fdinfo(ring))) text += compare(view, owner.account());
    }
    return text;
}

}  // namespace rf::leakcheck
