// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/user_line.hpp>

#include <string_view>

namespace rf::detail {

bool is_standard_library_line(const std::source_location& line) noexcept {
    return std::string_view(line.file_name()).find("/include/c++/") != std::string_view::npos;
}

bool is_library_line(const std::source_location& line) noexcept {
    const std::string_view file(line.file_name());
    for (const std::string_view module : {"runtime/", "io/", "sync/", "leakcheck/"})
        if (file.starts_with(module)) return true;
    return file.find("ringfence/") != file.npos || is_standard_library_line(line);
}

std::source_location user_line(const task_record& task) noexcept {
    std::source_location found = task.spawned();
    for_each_user_frame(task, [&](const frame&, const std::source_location& line) {
        found = line;
        return false;
    });
    return found;
}

}  // namespace rf::detail
