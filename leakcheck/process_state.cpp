// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/process_state.hpp>

#include <ringfence/runtime/frame_pool.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
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
    for (const auto& [fd, target] : open_descriptors())
        state.descriptors += fmt::format("descriptor {} {}\n", fd, target);
    return state;
}

std::string process_state::difference_to(const process_state& later) const {
    std::string text;
    if (later.frames_live != frames_live)
        text += fmt::format("{} blocks of the frame pool were live before, {} after\n", frames_live,
                            later.frames_live);
    const auto before = lines_of(descriptors);
    const auto after = lines_of(later.descriptors);
    std::vector<std::string> changed;
    std::ranges::set_difference(after, before, std::back_inserter(changed));
    for (const std::string& line : changed)
        text += "left open: " + line + "\n";
    changed.clear();
    std::ranges::set_difference(before, after, std::back_inserter(changed));
    for (const std::string& line : changed)
        text += "closed, though not its own: " + line + "\n";
    return text;
}

void accept_process_state() { found_at_start() = process_state::now(); }

std::string process_state_difference() {
    const process_state later = process_state::now();
    const std::string text = found_at_start().difference_to(later);
    found_at_start() = later;
    return text;
}

}  // namespace rf::leakcheck
