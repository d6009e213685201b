// SPDX-License-Identifier: MIT
//   scale idle_tasks COUNT | timers COUNT | churn CONNECTIONS | soak SECONDS
#include "examples/arguments.hpp"
#include "scale.hpp"

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>

namespace scale {

void print(const char* name, const char* unit, double value) {
    std::printf("%s\t%s\t%.6g\n", name, unit, value);
    std::fflush(stdout);
}

double resident_bytes() {
    std::ifstream file("/proc/self/statm");
    double pages = 0;
    double resident = 0;
    file >> pages >> resident;
    return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double open_descriptors() {
    std::error_code gone;
    double count = 0;
    for (const auto& one : std::filesystem::directory_iterator("/proc/self/fd", gone))
        count += one.path().empty() ? 0 : 1;
    return count;
}

double processor_seconds() {
    timespec now{};
    (void)::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace scale

int main(int argc, char** argv) {
    const auto count = argc == 3 ? arguments::number(argv[2], 1'000'000'000) : std::nullopt;
    if (!count || *count == 0) {
        std::fprintf(stderr, "usage: scale idle_tasks COUNT | timers COUNT | churn CONNECTIONS | "
                             "soak SECONDS\n");
        return 2;
    }
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)::setrlimit(RLIMIT_NOFILE, &limit);
    }
    const auto size = static_cast<long>(*count);
    const std::string_view what = argv[1];
    if (what == "idle_tasks") return scale::idle_tasks(size);
    if (what == "timers") return scale::timers(size);
    if (what == "churn") return scale::churn(size, 0);
    if (what == "soak") return scale::churn(0, size);
    std::fprintf(stderr, "scale: there is no run called %s\n", argv[1]);
    return 2;
}
