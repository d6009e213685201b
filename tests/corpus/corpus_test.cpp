// SPDX-License-Identifier: MIT
// The detection benchmark in small: `./dev bench corpus` is the whole.
#include "tests/corpus/examination.hpp"
#include "tests/corpus/report_reader.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <string>

using rf::corpus::entries;
using rf::corpus::entry;
using rf::corpus::examine;
using rf::corpus::exploration;
using rf::corpus::finding;
using rf::corpus::form;
using rf::corpus::structure;

namespace {

const bool at_length = std::getenv("RF_TEST_ALL") != nullptr;

/// Sanitizers slow the machine down, not the schedules: the budget of time is not their subject.
exploration budget_of(std::uint32_t runs) {
    return {.runs = runs, .time = std::chrono::minutes(1)};
}

void check_found(const entry& row, form as) {
    const finding found = examine(row, as, false, budget_of(1000));
    CAPTURE(row.name);
    CAPTURE(as == form::structured);
    CHECK_MESSAGE(found.found(), "nothing was found in " << found.runs << " runs");
    CHECK_MESSAGE(found.wrong.empty(), found.wrong << "\n" << found.text);
}

void check_clean(const entry& row, form as, bool fixed) {
    const finding found = examine(row, as, fixed, budget_of(at_length ? 1000 : 20));
    CAPTURE(row.name);
    CAPTURE(as == form::structured);
    CHECK_MESSAGE(!found.found(), found.verdict << ": " << found.text);
}

void check_all(const entries& rows) {
    for (const entry& row : rows) {
        check_found(row, form::background);
        check_clean(row, form::background, true);
        if (row.structured == structure::detected)
            check_found(row, form::structured);
        else
            check_clean(row, form::structured, false);
        check_clean(row, form::structured, true);
    }
}

}  // namespace

TEST_CASE("corpus: it holds the 44 kernels of GoBench and more than 32 of its own") {
    CHECK(rf::corpus::suite().size() == 44);
    CHECK(rf::corpus::natives().size() >= 32);
}

TEST_CASE("corpus: double locking is found and blamed rightly, its repair is not") {
    check_all(rf::corpus::double_locking());
}

TEST_CASE("corpus: locks in opposite order are found and blamed rightly, their repair is not") {
    check_all(rf::corpus::lock_order());
}

TEST_CASE("corpus: misused channels are found and blamed rightly, their repair is not") {
    check_all(rf::corpus::channel_use());
}

TEST_CASE("corpus: contexts never cancelled are found and blamed rightly, their repair is not") {
    check_all(rf::corpus::channel_and_context());
}

TEST_CASE("corpus: locks held across channels are found and blamed rightly, their repair is not") {
    check_all(rf::corpus::channel_and_lock());
}

TEST_CASE("corpus: what requests leave is found and blamed rightly, its repair is not") {
    check_all(rf::corpus::kernel_requests());
}

TEST_CASE("corpus: descriptors left open are found and blamed rightly, their repair is not") {
    check_all(rf::corpus::descriptors());
}

TEST_CASE("corpus: tasks that outlive their scope are found and blamed rightly, others are not") {
    check_all(rf::corpus::task_scopes());
}

TEST_CASE("corpus: waits that nobody ends are found and blamed rightly, their repair is not") {
    check_all(rf::corpus::primitives());
}

TEST_CASE("corpus: a report that names the wrong task, the wrong line or nobody is refused") {
    rf::corpus::marks lines;
    const auto here = std::source_location::current();
    lines["left"] = here;
    const auto wrong = [&](const std::string& name, unsigned line) {
        rf::corpus::report_reader read(lines, "left");
        read.wait_report("PROVEN cycle: a task waits for itself\n  task 3 \"" + name +
                         "\" (spawned at a.cpp:1) waits 1 s: lock\n      at " + here.file_name() +
                         ":" + std::to_string(line) + " in f\n  advice: none\n");
        CHECK(read.found());
        CHECK(read.proven());
        return read.wrong();
    };
    CHECK(wrong("left", here.line() + 1) == "");
    CHECK(wrong("left", here.line()) != "");
    CHECK(wrong("left", (here.line() + 1) * 10) != "");
    CHECK(wrong("right", here.line() + 1) != "");
}
