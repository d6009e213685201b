// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/process_state.hpp>

#include <ringfence/leakcheck/leak_guard.hpp>
#include <ringfence/runtime/frame_pool.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <dirent.h>
#include <iterator>
#include <map>
#include <sstream>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace rf::leakcheck {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        lines.push_back(line);
    std::ranges::sort(lines);
    return lines;
}

/// Of a line "descriptor 5 /dev/null".
std::string_view target_of(std::string_view line) {
    return line.substr(line.find(' ', line.find(' ') + 1) + 1);
}

process_state& found_at_start() {
    static process_state state;
    return state;
}

}  // namespace

std::map<int, std::string> open_descriptors() {
    std::map<int, std::string> found;
    DIR* folder = ::opendir("/proc/self/fd");
    if (folder == nullptr) return found;
    while (const dirent* entry = ::readdir(folder)) {
        const std::string_view name = entry->d_name;
        int fd = -1;
        std::from_chars(name.data(), name.data() + name.size(), fd);
        if (fd < 0 || fd == ::dirfd(folder)) continue;
        char target[256];
        const ssize_t size = ::readlinkat(::dirfd(folder), entry->d_name, target, sizeof target);
        found[fd] = std::string(target, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    }
    ::closedir(folder);
    return found;
}

process_state process_state::now() {
    process_state state;
    state.frames_live = frame_pool::statistics().blocks_live;
    state.unchecked_leaks = leakcheck::unchecked_leaks();
    for (const auto& [fd, target] : open_descriptors())
        state.descriptors += fmt::format("descriptor {} {}\n", fd, target);
    return state;
}

std::string process_state::difference_to(const process_state& later, leak_suppressions* allowed,
                                         const leak_subject& left_by) const {
    if (allowed != nullptr) allowed->begin_check();
    const auto may_be = [&](resource_kind kind, std::string_view label) {
        if (allowed == nullptr) return false;
        leak_subject left = left_by;
        left.kind = kind;
        left.label = label;
        left.site = label;
        // "socket:[4711]" is a socket.
        if (const auto end = label.find(":["); end != label.npos)
            left.labels.emplace_back(label.substr(0, end));
        return allowed->allows(left);
    };
    std::string text;
    if (later.frames_live < frames_live ||
        (later.frames_live > frames_live && !may_be(resource_kind::task, "coroutine frame")))
        text += fmt::format("{} blocks of the frame pool were live before, {} after\n", frames_live,
                            later.frames_live);
    if (later.unchecked_leaks != unchecked_leaks)
        text += "a leak_guard found something that nobody looked at; see above\n";
    const auto before = lines_of(descriptors);
    const auto after = lines_of(later.descriptors);
    std::vector<std::string> changed;
    std::ranges::set_difference(after, before, std::back_inserter(changed));
    for (const std::string& line : changed)
        if (!may_be(resource_kind::descriptor, target_of(line)))
            text += "left open: " + line + "\n";
    changed.clear();
    std::ranges::set_difference(before, after, std::back_inserter(changed));
    for (const std::string& line : changed)
        text += "closed, though not its own: " + line + "\n";
    return text;
}

void accept_process_state() { found_at_start() = process_state::now(); }

std::string process_state_difference(leak_suppressions* allowed, const leak_subject& left_by) {
    const process_state later = process_state::now();
    const std::string text = found_at_start().difference_to(later, allowed, left_by);
    found_at_start() = later;
    return text;
}

int guard_main(const std::function<int()>& tests, leak_suppressions* allowed) {
    accept_process_state();
    const int status = tests();
    const std::string left = process_state_difference(allowed);
    if (!left.empty())
        std::fprintf(stderr, "ERROR: the test program did not leave things as it found them:\n%s",
                     left.c_str());
    if (allowed != nullptr) std::fputs(allowed->unused().c_str(), stderr);
    return status != 0 || left.empty() ? status : 1;
}

}  // namespace rf::leakcheck
