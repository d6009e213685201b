// SPDX-License-Identifier: MIT
// co_await in loops, branches, handlers and operands.
#include "pattern.hpp"

#include <optional>
#include <string>
#include <vector>

using namespace conformance;

namespace {

rf::task<std::vector<object>> list(world& w, int count) {
    std::vector<object> made;
    for (int i = 1; i <= count; ++i) {
        object one = co_await make(w, i);
        made.push_back(std::move(one));
    }
    co_return made;
}
rf::task<std::optional<object>> next(world& w, int& left) {
    const int got = co_await point(w, left);
    if (left == 0) co_return std::nullopt;
    --left;
    co_return object(w, got);
}

/// Counts its ends, so that a guard that is left twice or never shows.
struct guard {
    guard(world& w, int& ends) : held(w, 1), count(ends) {}
    guard(const guard&) = delete;
    ~guard() { ++count; }
    object held;
    int& count;
};

}  // namespace

TEST_CASE("conformance: range-for over an awaited container, with awaits in its body") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            int sum = 0;
            for (const object& one : co_await list(w, 3)) {
                const int more = co_await number(w, 10);
                sum += one.value + more;
            }
            co_return sum;
        },
        36);
}

TEST_CASE("conformance: while and if with a declaration") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            int left = 3;
            int sum = 0;
            while (auto one = co_await next(w, left)) {
                const int more = co_await number(w, 1);
                sum += one->value + more;
            }
            if (auto none = co_await next(w, left)) sum += 1000;
            if (auto got = co_await number(w, 5); got > 2) sum += got;
            co_return sum;
        },
        14);
}

TEST_CASE("conformance: for with awaits in all three clauses") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            int sum = 0;
            for (int i = co_await number(w, 0); co_await is_below(w, i, 3);
                 i += co_await number(w, 1))
                sum += i;
            co_return sum;
        },
        3);
}

TEST_CASE("conformance: awaited conditions, through a local") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            int rounds = 0;
            bool go = co_await is_below(w, rounds, 3);
            while (go) {
                ++rounds;
                go = co_await is_below(w, rounds, 3);
            }
            const int chosen = co_await number(w, 2);
            switch (chosen) {
            case 2: rounds += co_await number(w, 20); break;
            default: rounds = -1; break;
            }
            co_return rounds;
        },
        23);
}

TEST_CASE("conformance: early return, break and continue past objects") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            int sum = 0;
            for (int i = 0; i < 10; ++i) {
                const object outer(w, i);
                const int got = co_await number(w, i);
                if (got == 1) continue;
                const object inner = co_await make(w, got);
                if (got == 4) break;
                sum += inner.value;
            }
            for (;;) {
                const object last(w, 1);
                const int got = co_await number(w, 100);
                if (got == 100) co_return sum + got;
            }
        },
        105);
}

TEST_CASE("conformance: && and || in an initialiser; the skipped operand does not run") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const bool both = co_await is_below(w, 1, 2) && co_await is_below(w, 1, 2);
            const bool skipped = co_await is_below(w, 2, 1) && co_await is_below(w, 1, 2);
            const bool first = co_await is_below(w, 1, 2) || co_await is_below(w, 1, 2);
            co_return (both ? 1 : 0) + (skipped ? 10 : 0) + (first ? 100 : 0) +
                w.suspensions * 1000;
        },
        4101);
}

TEST_CASE("conformance: ?: of ints, references and pointers") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const object one(w, 1);
            const object two(w, 2);
            const bool go = co_await is_below(w, 1, 2);
            // await-lint: ok the arms are ints; GCC 12 breaks classes alone
            const int a = go ? co_await number(w, 5) : co_await number(w, 6);
            const object& b = go ? one : two;
            const object* c = go ? &two : &one;
            const int d = co_await number(w, 7);
            co_return a + b.value + c->value + d;
        },
        15);
}

TEST_CASE("conformance: guard objects end once, on every way out") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            int ends = 0;
            {
                const guard outer(w, ends);
                (void)co_await number(w, 1);
                const guard inner(w, ends);
                (void)co_await number(w, 1);
            }
            co_return ends;
        },
        2);
}

#if RF_EXCEPTIONS
TEST_CASE("conformance: an await after a handler that only notes, and awaits in a try block") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            bool failed = false;
            int sum = 0;
            try {
                const object held = co_await make(w, 1);
                sum += held.value;
                throw std::string("noted");
            } catch (const std::string&) {
                failed = true;
            }
            if (failed) sum += co_await number(w, 10);
            co_return sum;
        },
        11);
}
#endif
