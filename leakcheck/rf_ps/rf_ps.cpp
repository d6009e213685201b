// SPDX-License-Identifier: MIT

// Shows the tasks of a program from outside, without its help: of a process that runs, which is not
// stopped, or of a core. What it knows of the program is in runtime/detail/registry.hpp.

#include <ringfence/leakcheck/rf_ps/arguments.hpp>
#include <ringfence/leakcheck/rf_ps/core_file.hpp>
#include <ringfence/leakcheck/rf_ps/live_process.hpp>
#include <ringfence/leakcheck/rf_ps/refusal.hpp>
#include <ringfence/leakcheck/rf_ps/report.hpp>
#include <ringfence/runtime/detail/registry.hpp>

#include <cstdio>
#include <exception>

int main(int count, char** words) {
    namespace rf_ps = rf::leakcheck::rf_ps;
    const auto asked = rf_ps::read_arguments(count, words);
    if (!asked || asked->help) {
        std::fputs(rf_ps::usage, asked ? stdout : stderr);
        return asked ? 0 : 2;
    }
    try {
        if (asked->version)
            std::printf("rf-ps of ringfence %s, registry version %u\n", rf_registry.library,
                        rf_registry.version);
        else if (asked->process)
            rf_ps::print_tasks(rf_ps::live_process(*asked->process), asked->tree);
        else if (!asked->core.empty())
            rf_ps::print_tasks(rf_ps::core_file(asked->core, asked->executable), asked->tree);
        else
            rf_ps::print_processes();
    } catch (const std::exception& why) {
        std::fflush(stdout);
        std::fprintf(stderr, "rf-ps: %s\n", why.what());
        return 1;
    }
    // To a full disk, say.
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
        std::perror("rf-ps: cannot write");
        return 1;
    }
    return 0;
}
