// SPDX-License-Identifier: MIT
#include "schedstat.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace {

echo::processor_time read_from(const std::filesystem::path& folder) {
    std::ifstream file(folder / "schedstat");
    echo::processor_time one;
    if (!(file >> one.running >> one.waiting)) return {};
    return one;
}

}  // namespace

echo::processor_time echo::processor_time_of(int process) {
    processor_time sum;
    std::error_code gone;
    const std::filesystem::path tasks = "/proc/" + std::to_string(process) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks, gone)) {
        const processor_time one = read_from(task.path());
        sum.running += one.running;
        sum.waiting += one.waiting;
    }
    return sum;
}

echo::processor_time echo::processor_time_of_thread(int thread) {
    return read_from("/proc/" + std::to_string(thread));
}
