// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/self_test.hpp>
#include <ringfence/runtime/run.hpp>

#include <doctest/doctest.h>

#include <string_view>

TEST_CASE("self_test: a planted leak of each class is found") {
    const rf::leakcheck::self_test_report report = rf::leakcheck::self_test();
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.planted.size() >= 23);
}

TEST_CASE("self_test: registrations are planted on a real ring where there is one") {
    if (!rf::run_and_report([]() -> rf::task<> { co_return; }).refusal.empty()) return;
    for (const rf::leakcheck::planted_leak& one : rf::leakcheck::self_test().planted)
        if (one.what == std::string_view("registered file"))
            CHECK_MESSAGE(one.said.find("[eventfd]") != one.said.npos, one.said);
}

TEST_CASE("self_test: one that is not found is said in capitals, and nothing planted is no pass") {
    rf::leakcheck::self_test_report report;
    CHECK_FALSE(report.ok());
    report.planted.push_back({"task", true, ""});
    CHECK(report.ok());
    report.planted.push_back({"timer", false, "nothing"});
    CHECK_FALSE(report.ok());
    CHECK(report.text() == "task: found\n"
                           "timer: NOT FOUND, although planted; the detector said: nothing\n");
}
