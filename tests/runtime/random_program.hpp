// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/nursery_core.hpp>
#include <ringfence/runtime/task.hpp>

#include <cstdint>
#include <exception>
#include <set>
#include <string>
#include <tests/support/lifetime_tracker.hpp>
#include <vector>

namespace test {

/// What one node of a random program does with the nodes below it.
enum class action : std::uint8_t {
    sleep,
    yield,
    fail,       // throws
    block,      // all below, one after the other
    catch_all,  // swallows what is thrown below
    nursery,    // the first below is the body, the others are children
    timeout,    // with_timeout
    move_on,    // move_on_after
    shield,
    cleanup,         // finally(first, second)
    cancelled_scope  // a cancel_scope that a sibling cancels after a while
};

/// A node of a random program: a tree of nurseries, scopes, waits and failures.
struct node {
    action what = action::sleep;
    std::int64_t span_ms = 0;  // how long; the limit of a scope
    rf::failure_policy policy = rf::failure_policy::fail_fast;
    std::uint32_t places = 0;     // limit of a nursery
    std::uint32_t ways = 0;       // bit n: how the nursery's child n is started
    bool cancels_itself = false;  // the nursery's body cancels it in the end
    bool may_overstay = false;    // something below is shielded
    std::vector<node> below;
};

/// The program of a seed. The same on every machine.
[[nodiscard]] node make_program(std::uint64_t seed);

/// What a failing node throws.
struct failure : std::exception {
    explicit failure(int number) noexcept : id(number) {}
    int id;
};

/// What a program has lived through, and what was wrong with that.
struct history {
    rf::test::lifetimes book;
    std::set<int> thrown;
    std::set<int> handled;  // caught by the program, or heard of by a nursery's handler
    int next_failure = 0;
    std::vector<std::string> problems;

    void expect(bool holds, const char* law) {
        if (!holds) problems.emplace_back(law);
    }
};

/// Runs a program, checking on the way what must hold at each node.
rf::task<> execute(history& so_far, const node& program);

}  // namespace test
