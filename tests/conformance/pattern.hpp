// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <doctest/doctest.h>

#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <tests/runtime/object_tracker.hpp>
#include <tests/runtime/sim_report.hpp>
#include <utility>

namespace conformance {

#if RF_EXCEPTIONS
struct thrown_at_point {};
#endif

/// One run of one pattern: where it is to be cancelled or to throw, and the objects it made.
struct world {
    test::object_ledger objects;
    rf::cancel_scope scope;
    int cancel_at = 0;  // the suspension at which the scope is cancelled; 0: none
    int throw_at = 0;   // the resumption that throws; 0: none
    int suspensions = 0;
    int resumptions = 0;
};

/// An object that the ledger knows by its address, with a value.
class object : public test::tracked {
public:
    object(world& home, int number) : tracked(home.objects), value(number) {}
    int value;
};

/// Like object, but cannot be copied.
class unique : public test::tracked {
public:
    unique(world& home, int number) : tracked(home.objects), value(number) {}
    unique(unique&&) noexcept = default;
    int value;
};

/// A suspension point: `co_await point(w, n)` suspends, is resumed, cancelled or thrown out of, and
/// gives n.
class point final : public rf::waiter {
public:
    point(world& home, int number) : home_(home), number_(number) {}
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (!enter()) return;
        if (++home_.suspensions == home_.cancel_at)
            home_.scope.cancel();
        else
            resume();
    }
    int await_resume() {
#if RF_EXCEPTIONS
        if (++home_.resumptions == home_.throw_at) throw thrown_at_point();
#endif
        return number_;
    }
    [[nodiscard]] rf::cancel_outcome cancel() noexcept override {
        return rf::cancel_outcome::removed;
    }
    void describe(rf::wait_description& out) const override { out.what = "a point"; }

private:
    world& home_;
    int number_;
};

/// Tasks that suspend once and give what was asked for.
inline rf::task<int> number(world& w, int value) {
    const int got = co_await point(w, value);
    co_return got;
}
inline rf::task<object> make(world& w, int value) {
    const int got = co_await point(w, value);
    co_return object(w, got);
}
inline rf::task<unique> make_unique_object(world& w, int value) {
    const int got = co_await point(w, value);
    co_return unique(w, got);
}
inline rf::task<bool> is_below(world& w, int value, int bound) {
    const int got = co_await point(w, value);
    co_return got < bound;
}
inline rf::task<std::string> text(world& w, std::string value) {
    (void)co_await point(w, 0);
    co_return value;
}

enum class ending { value, cancelled, thrown };

inline void check_run(world& w, rf::task<int> (*pattern)(world&), int expected, ending wanted) {
    std::optional<int> got;
    bool thrown = false;
    const auto report = test::run_sim([&]() -> rf::task<> {
        RF_TRY {
            const auto work = [&] { return pattern(w); };
            got = co_await w.scope.run(work);
        }
        RF_CATCH(...) { thrown = true; }
    });
    CHECK(report.status == 0);
    CHECK(w.objects.live.empty());
    CHECK(w.objects.destroyed_twice == 0);
    CHECK(thrown == (wanted == ending::thrown));
    CHECK(got.has_value() == (wanted == ending::value));
    if (wanted == ending::value && got.has_value()) CHECK(*got == expected);
}

/// Runs the pattern to its end, destroys it at each suspension point, and throws at each
/// resumption.
inline void check_pattern(rf::task<int> (*pattern)(world&), int expected) {
    int points = 0;
    {
        world w;
        check_run(w, pattern, expected, ending::value);
        points = w.suspensions;
        CHECK(points > 0);
    }
    for (int i = 1; i <= points; ++i) {
        INFO("destroyed at suspension " << i);
        world w;
        w.cancel_at = i;
        check_run(w, pattern, expected, ending::cancelled);
    }
#if RF_EXCEPTIONS
    for (int i = 1; i <= points; ++i) {
        INFO("thrown at resumption " << i);
        world w;
        w.throw_at = i;
        check_run(w, pattern, expected, ending::thrown);
    }
#endif
}

}  // namespace conformance
