// SPDX-License-Identifier: MIT
#pragma once

#include "tests/support/death.hpp"
#include "tests/support/temporary_folder.hpp"
#include <ringfence/runtime/run.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <iterator>
#include <string>

namespace test {

using rf::test::temporary_folder;

/// How many descriptors this process has open.
inline std::size_t descriptor_count() {
    const std::filesystem::directory_iterator folder("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
}

/// Runs `program` on the real kernel; the test fails unless it ends well with nothing left open, by
/// the books of the loop and by those of the kernel.
template <class F>
void run_clean(F program, const rf::run_options& options = {}) {
    const std::size_t before = descriptor_count();
    const rf::run_report report = rf::run_and_report(std::move(program), options);
#if RF_EXCEPTIONS
    if (report.error != nullptr) std::rethrow_exception(report.error);
#endif
    CHECK(report.refusal == "");
    CHECK(report.deadlock == "");
    CHECK(report.leaks == "");
    CHECK(report.final.empty());
    CHECK(descriptor_count() == before);
}

#if RF_EXCEPTIONS
/// What `operation` throws, as text; "" if it does not.
template <class Operation>
rf::task<std::string> failure_of(Operation operation) {
    try {
        (void)co_await std::move(operation);
    } catch (const std::exception& thrown) {
        co_return std::string(thrown.what());
    }
    co_return std::string();
}
template <class T>
rf::task<std::string> failure_of(rf::task<T> work) {
    try {
        (void)co_await std::move(work);
    } catch (const std::exception& thrown) {
        co_return std::string(thrown.what());
    }
    co_return std::string();
}
#endif

/// What a child that aborts in `body` says on standard error; "" if it does not abort.
inline std::string abort_message(const std::function<void()>& body) {
    const rf::test::death end = rf::test::run_to_death(body);
    return end.signal == SIGABRT ? end.said : std::string();
}

}  // namespace test
