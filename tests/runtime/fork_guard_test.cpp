// SPDX-License-Identifier: MIT
#include "tests/support/death.hpp"
#include <ringfence/runtime/fork_guard.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <unistd.h>

using rf::detail::fork_guard;

namespace {

void count(void* calls) noexcept { ++*static_cast<int*>(calls); }

}  // namespace

TEST_CASE("fork guard: every living guard is called once, in the child alone") {
    int first = 0;
    int second = 0;
    int gone = 0;
    const fork_guard one(count, &first);
    auto brief = std::make_unique<fork_guard>(count, &gone);
    const fork_guard two(count, &second);
    brief.reset();
    const auto end = rf::test::run_to_death([&] {
        if (first != 1 || second != 1 || gone != 0) ::_exit(1);
    });
    CHECK(end.status == 0);
    CHECK(first == 0);
    CHECK(second == 0);
}

TEST_CASE("fork guard: a child makes and destroys guards, and its own children are told") {
    const auto end = rf::test::run_to_death([] {
        int calls = 0;
        const fork_guard guard(count, &calls);
        const auto inner = rf::test::run_to_death([&] { ::_exit(calls == 1 ? 0 : 1); });
        if (inner.status != 0) ::_exit(1);
    });
    CHECK(end.status == 0);
}
