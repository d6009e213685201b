// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, only test programs have doctest

#include <ringfence/leakcheck/bubble.hpp>
#include <ringfence/leakcheck/leak_suppressions.hpp>
#include <ringfence/leakcheck/process_state.hpp>
#include <ringfence/runtime/task.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <string>
#include <string_view>
#include <utility>

/// Leak checks for test programs written with doctest.
///
/// In main, one line guards every test case: each has to leave the process's descriptors and the
/// frames of its thread as it found them, and no leak_guard may have found anything that nobody
/// looked at; nor may anything be left between the cases. What does not is named, and the program's
/// exit status is 1.
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
///
/// What one case may leave stands beside its name, in TEST_CASE and RF_TEST alike; what each may,
/// is an argument of run_guarded(). Entries that nothing needed are printed, and fail nothing.
///
///     RF_TEST("pool: two connections stay warm" *
///             rf::leakcheck::may_leave().exactly(2, "pool.cpp:88", "they are the pool's")) {
namespace rf::leakcheck {

namespace detail {

inline int doctest_leaks = 0;                         // test cases that left something, in this run
inline leak_suppressions* doctest_allowed = nullptr;  // in each case of this run
inline leak_suppressions* case_allowed = nullptr;     // in the one that runs, while it is guarded

/// What the decorators of the test case at that line allow.
inline leak_suppressions& allowed_at(std::string_view file, unsigned line) {
    static std::map<std::pair<std::string, unsigned>, leak_suppressions> all;
    return all[{std::string(file), line}];
}

// doctest has closed the books of a test case when it tells of its end, so that a failure can no
// longer be added to it: run_guarded() adds it to the exit status.
struct doctest_listener : doctest::IReporter {
    explicit doctest_listener(const doctest::ContextOptions&) {}

    void test_run_start() override { accept_process_state(); }
    void test_run_end(const doctest::TestRunStats& seen) override {
        compare_outside();
        // What a case needs that the filters left out would be reported wrongly.
        if (doctest_allowed != nullptr && seen.numTestCasesPassingFilters == seen.numTestCases)
            std::fputs(doctest_allowed->unused().c_str(), stderr);
    }
    void test_case_start(const doctest::TestCaseData& test) override {
        compare_outside();
        name_ = test.m_name;
        allowed_ = allowed_at(test.m_file.c_str(), test.m_line);
        if (doctest_allowed != nullptr) (void)allowed_.also(*doctest_allowed);
        case_allowed = &allowed_;
        left_by_ = {};
        left_by_.ancestors = {name_};
    }
    void test_case_reenter(const doctest::TestCaseData&) override { compare(); }
    void test_case_end(const doctest::CurrentTestCaseStats& seen) override {
        compare();
        case_allowed = nullptr;
        const std::string unused = seen.failure_flags == 0 ? allowed_.unused() : std::string();
        if (!unused.empty())
            std::fprintf(stderr, "WARNING: in the test case \"%s\":\n%s", name_.c_str(),
                         unused.c_str());
    }

    void report_query(const doctest::QueryData&) override {}
    void test_case_exception(const doctest::TestCaseException&) override {}
    void subcase_start(const doctest::SubcaseSignature&) override {}
    void subcase_end() override {}
    void log_assert(const doctest::AssertData&) override {}
    void log_message(const doctest::MessageData&) override {}
    void test_case_skipped(const doctest::TestCaseData&) override {}

private:
    void compare() {
        const std::string difference = process_state_difference(&allowed_, left_by_);
        if (difference.empty()) return;
        ++doctest_leaks;
        std::fprintf(stderr,
                     "ERROR: the test case \"%s\" did not leave things as it found them:\n%s",
                     name_.c_str(), difference.c_str());
    }
    void compare_outside() {
        const std::string difference = process_state_difference(doctest_allowed);
        if (difference.empty()) return;
        ++doctest_leaks;
        std::fprintf(stderr, "ERROR: something was left outside of the test cases, %s:\n%s",
                     name_.empty() ? "before the first" : ("after \"" + name_ + "\"").c_str(),
                     difference.c_str());
    }

    std::string name_;
    leak_subject left_by_;
    leak_suppressions allowed_;
};

inline void run_doctest_bubble(task<> (*fn)(), bubble_options options, std::string_view file,
                               unsigned line) {
    leak_suppressions decorated;
    if (case_allowed == nullptr) decorated = allowed_at(file, line);
    leak_suppressions allowed;
    (void)allowed.also(case_allowed != nullptr ? *case_allowed : decorated);
    if (options.allowed != nullptr) (void)allowed.also(*options.allowed);
    options.allowed = &allowed;
    // A token of another test case is no business of this one: only what explores is replayed.
    if (const char* token = std::getenv("RF_REPLAY");
        token != nullptr && options.explore != explore::none)
        options.replay = token;
    const bubble_report report = bubble(fn, options);
    INFO("RF_REPLAY=" << report.token);
#if RF_EXCEPTIONS
    if (report.error != nullptr) {
        INFO(report.failure);  // says more than the exception
        std::rethrow_exception(report.error);
    }
#endif
    CHECK_MESSAGE(report.ok(), report.failure);
    // The listener says it of a case that is guarded.
    if (const std::string unused = decorated.unused(); report.ok() && !unused.empty())
        MESSAGE(unused);
}

}  // namespace detail

/// What a test case may leave, and why, as a decorator: the words of leak_suppressions.
///
///     TEST_CASE("log: stays open" * rf::leakcheck::may_leave().label("/var/log/app", "for all")) {
///
/// In RF_TEST it is in force in the bubble too, where tasks that it allows may wait for ever. What
/// the process has more of afterwards has no stack: see process_state::difference_to(). It is below
/// an ancestor of the test case's name.
class may_leave {
public:
    may_leave& spawned_at(std::string_view site, std::string_view reason) {
        return (void)what_.ignore_spawned_at(site, reason), *this;
    }
    may_leave& function(std::string_view name, std::string_view reason) {
        return (void)what_.ignore_function(name, reason), *this;
    }
    may_leave& below(std::string_view ancestor, std::string_view reason) {
        return (void)what_.ignore_below(ancestor, reason), *this;
    }
    may_leave& label(std::string_view label, std::string_view reason) {
        return (void)what_.ignore_label(label, reason), *this;
    }
    may_leave& exactly(std::size_t count, std::string_view site, std::string_view reason) {
        return (void)what_.expect(count, site, reason), *this;
    }
    /// For doctest.
    void fill(doctest::detail::TestCase& test) const {
        detail::allowed_at(test.m_file.c_str(), test.m_line) = what_;
    }

private:
    leak_suppressions what_;
};

/// Runs the test cases that `context` selects, each under the guard, and returns the status that
/// main returns: doctest's own, or 1 if only leaks were found. `allowed` is in force in each case,
/// and outside of them; expect() counts for one case.
[[nodiscard]] inline int run_guarded(doctest::Context& context,
                                     leak_suppressions* allowed = nullptr) {
    doctest::registerReporter<detail::doctest_listener>("ringfence", 1, false);
    detail::doctest_leaks = 0;
    detail::doctest_allowed = allowed;
    const int status = context.run();
    detail::doctest_allowed = nullptr;
    if (context.shouldExit() || status != 0 || detail::doctest_leaks == 0) return status;
    std::fprintf(stderr, "FAILURE: %d test cases left something behind\n", detail::doctest_leaks);
    return 1;
}

}  // namespace rf::leakcheck

#define RF_TEST_NAMED_(fn, name, ...)                                                              \
    static ::rf::task<> fn();                                                                      \
    TEST_CASE(name) {                                                                              \
        ::rf::leakcheck::detail::run_doctest_bubble(&fn, __VA_ARGS__, __FILE__, __LINE__);         \
    }                                                                                              \
    static ::rf::task<> fn()
/// A test case whose body is a coroutine in a bubble.
#define RF_TEST(name)                                                                              \
    RF_TEST_NAMED_(DOCTEST_ANONYMOUS(rf_test_), name, ::rf::leakcheck::bubble_options{})
/// The same with bubble_options.
#define RF_TEST_EXPLORE(name, ...) RF_TEST_NAMED_(DOCTEST_ANONYMOUS(rf_test_), name, __VA_ARGS__)
