// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, only test programs have doctest

#include <ringfence/leakcheck/bubble.hpp>
#include <ringfence/leakcheck/leak_guard.hpp>
#include <ringfence/leakcheck/process_state.hpp>
#include <ringfence/runtime/task.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

/// Leak checks for test programs written with doctest.
///
/// In main, one line guards every test case: each has to leave the process's descriptors and the
/// frames of its thread as it found them, and no leak_guard may have found anything that nobody
/// looked at. A case that does not is named, and the program's exit status is 1.
///
///     #define DOCTEST_CONFIG_IMPLEMENT
///     #include <ringfence/leakcheck/doctest.hpp>
///
///     int main(int argc, char** argv) {
///         doctest::Context context(argc, argv);
///         return rf::leakcheck::run_guarded(context);
///     }
///
/// A test case may be a coroutine. It runs in a bubble: in virtual time, a deadlock is a failure.
///
///     RF_TEST("cache: an entry dies in time") {
///         cache entries(1s);
///         entries.put("a", 1);
///         co_await rf::sleep_for(2s);
///         CHECK(entries.find("a") == nullptr);
///     }
///
/// RF_TEST_EXPLORE("name", options) { ... } takes bubble_options, to explore schedules. With
/// RF_REPLAY=<token> in the environment such a case runs the schedule of that token alone.
namespace rf::leakcheck {

namespace detail {

inline int doctest_leaks = 0;  // test cases that left something

// doctest has closed the books of a test case when it tells of its end, so that a failure can no
// longer be added to it: run_guarded() adds it to the exit status.
struct doctest_listener : doctest::IReporter {
    explicit doctest_listener(const doctest::ContextOptions&) {}

    void test_case_start(const doctest::TestCaseData& test) override {
        name_ = test.m_name;
        unchecked_ = unchecked_leaks();
        accept_process_state();
    }
    void test_case_reenter(const doctest::TestCaseData&) override { compare(); }
    void test_case_end(const doctest::CurrentTestCaseStats&) override { compare(); }

    void test_run_start() override {}
    void test_run_end(const doctest::TestRunStats&) override {}
    void report_query(const doctest::QueryData&) override {}
    void test_case_exception(const doctest::TestCaseException&) override {}
    void subcase_start(const doctest::SubcaseSignature&) override {}
    void subcase_end() override {}
    void log_assert(const doctest::AssertData&) override {}
    void log_message(const doctest::MessageData&) override {}
    void test_case_skipped(const doctest::TestCaseData&) override {}

private:
    void compare() {
        std::string difference = process_state_difference();
        if (const std::uint64_t now = unchecked_leaks(); now != unchecked_) {
            difference += "a leak_guard found something that nobody looked at; see above\n";
            unchecked_ = now;
        }
        if (difference.empty()) return;
        ++doctest_leaks;
        std::fprintf(stderr,
                     "ERROR: the test case \"%s\" did not leave things as it found them:\n%s",
                     name_.c_str(), difference.c_str());
    }

    std::string name_;
    std::uint64_t unchecked_ = 0;
};

inline void run_doctest_bubble(task<> (*fn)(), bubble_options options) {
    // A token of another test case is no business of this one: only what explores is replayed.
    if (const char* token = std::getenv("RF_REPLAY");
        token != nullptr && options.explore != explore::none)
        options.replay = token;
    const bubble_report report = bubble(fn, options);
    INFO("RF_REPLAY=" << report.token);
#if RF_EXCEPTIONS
    if (report.error != nullptr) std::rethrow_exception(report.error);
#endif
    CHECK_MESSAGE(report.ok(), report.failure);
}

}  // namespace detail

/// Runs the test cases that `context` selects, each under the guard, and returns the status that
/// main returns: doctest's own, or 1 if only leaks were found.
[[nodiscard]] inline int run_guarded(doctest::Context& context) {
    doctest::registerReporter<detail::doctest_listener>("ringfence", 1, false);
    const int status = context.run();
    if (context.shouldExit() || status != 0 || detail::doctest_leaks == 0) return status;
    std::fprintf(stderr, "FAILURE: %d test cases left something behind\n", detail::doctest_leaks);
    return 1;
}

}  // namespace rf::leakcheck

#define RF_TEST_NAMED_(fn, name, ...)                                                              \
    static ::rf::task<> fn();                                                                      \
    TEST_CASE(name) { ::rf::leakcheck::detail::run_doctest_bubble(&fn, __VA_ARGS__); }             \
    static ::rf::task<> fn()
/// A test case whose body is a coroutine in a bubble.
#define RF_TEST(name)                                                                              \
    RF_TEST_NAMED_(DOCTEST_ANONYMOUS(rf_test_), name, ::rf::leakcheck::bubble_options{})
/// The same with bubble_options.
#define RF_TEST_EXPLORE(name, ...) RF_TEST_NAMED_(DOCTEST_ANONYMOUS(rf_test_), name, __VA_ARGS__)
