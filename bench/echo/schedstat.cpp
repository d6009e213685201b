// SPDX-License-Identifier: MIT
#include "schedstat.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

echo::processor_time echo::processor_time_of(int process) {
    processor_time sum;
    std::error_code gone;
    const std::filesystem::path tasks = "/proc/" + std::to_string(process) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks, gone)) {
        std::ifstream file(task.path() / "schedstat");
        processor_time one;
        if (!(file >> one.running >> one.waiting)) continue;
        sum.running += one.running;
        sum.waiting += one.waiting;
    }
    return sum;
}
