// SPDX-License-Identifier: MIT
// What can be a coroutine: lambdas, members, virtual functions, recursion, and bodies of
// combinators.
#include "pattern.hpp"
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <chrono>
#include <functional>

using namespace conformance;
using namespace std::chrono_literals;

namespace {

struct base {
    virtual ~base() = default;
    virtual rf::task<int> speak(world& w) = 0;
};
struct derived : base {
    explicit derived(world& w) : held(w, 4) {}
    rf::task<int> speak(world& w) override {
        const int got = co_await point(w, held.value);
        co_return got;
    }
    rf::task<int> operator()(world& w, int more) const {
        const int got = co_await point(w, more);
        co_return got + held.value;
    }
    rf::task<int> quiet(world& w) const noexcept {
        const int got = co_await point(w, 1);
        co_return got;
    }
    object held;
};

rf::task<int> factorial(world& w, int n) {
    const object local(w, n);
    const int here = co_await point(w, n);
    if (n == 0) co_return 1;
    const int below = co_await factorial(w, n - 1);
    co_return here* below;
}

template <class F>
rf::task<int> apply(world& w, F fn) {
    const int got = co_await fn(w);
    co_return got;
}

}  // namespace

TEST_CASE("conformance: named lambda coroutines with captures, and generic ones") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const object held(w, 2);
            const auto captures = [held](world& in) -> rf::task<int> {
                const int got = co_await point(in, held.value);
                co_return got;
            };
            const auto generic = [](world& in, auto given) -> rf::task<int> {
                const int got = co_await point(in, given.value);
                co_return got;
            };
            const int a = co_await captures(w);
            const int b = co_await generic(w, held);
            const int c = co_await apply(w, captures);
            co_return a + b + c;
        },
        6);
}

TEST_CASE("conformance: an unnamed lambda coroutine that takes what it needs as parameters") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const int a = co_await [](world& in, object given) -> rf::task<int> {
                const int got = co_await point(in, given.value);
                co_return got;
            }(w, object(w, 3));
            co_return a;
        },
        3);
}

TEST_CASE("conformance: members, virtual functions, call operators and noexcept coroutines") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            derived d(w);
            base& b = d;
            const int first = co_await b.speak(w);
            const int second = co_await d(w, 10);
            const int third = co_await d.quiet(w);
            const auto member = &base::speak;
            const int fourth = co_await (b.*member)(w);
            const int fifth = co_await std::invoke(member, b, w);
            co_return first + second + third + fourth + fifth;
        },
        27);
}

TEST_CASE("conformance: recursion") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const int got = co_await factorial(w, 5);
            co_return got;
        },
        120);
}

TEST_CASE("conformance: the body of a nursery, given as a lambda that refers to locals") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const object held(w, 5);
            const int got = co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<int> {
                const object inner(w, 1);
                jobs.spawn([&w](object mine) -> rf::task<> { (void)co_await point(w, mine.value); },
                           object(w, 2));
                const int here = co_await number(w, held.value);
                co_return here + inner.value;
            });
            co_return got;
        },
        6);
}

TEST_CASE("conformance: the options of a nursery, written in the call") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const int got =
                co_await rf::with_nursery({.on_failure = rf::collect, .limit = 3, .name = "named"},
                                          [&](rf::nursery&) -> rf::task<int> {
                                              const int here = co_await number(w, 4);
                                              co_return here;
                                          });
            co_return got;
        },
        4);
}

TEST_CASE("conformance: limits around a function, a task and an awaiter") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const object held(w, 1);
            const auto a = co_await rf::move_on_after(1h, [&] { return number(w, 1); });
            const auto b = co_await rf::move_on_after(1h, make(w, 2));
            const int c = co_await rf::with_timeout(1h, number(w, 3));
            co_return a.value_or(100) + b.value().value + c + held.value;
        },
        7);
}

#if RF_EXCEPTIONS
TEST_CASE("conformance: an exception out of await_suspend is caught in the coroutine") {
    struct throws_in_suspend {
        bool await_ready() { return false; }
        void await_suspend(std::coroutine_handle<>) { throw 3; }
        void await_resume() {}
    };
    check_pattern(
        [](world& w) -> rf::task<int> {
            const object held(w, 1);
            int caught = 0;
            try {
                throws_in_suspend wait;
                co_await wait;
            } catch (int thrown) {
                caught = thrown;
            }
            const int got = co_await number(w, 4);
            co_return caught + got;
        },
        7);
}

TEST_CASE("conformance: an exception out of the copy of a parameter") {
    struct throws_in_copy {
        explicit throws_in_copy(world& w) : held(w, 1) {}
        throws_in_copy(const throws_in_copy& other) : held(other.held) { throw 5; }
        object held;
    };
    check_pattern(
        [](world& w) -> rf::task<int> {
            const auto takes = [](throws_in_copy) -> rf::task<int> { co_return 1000; };
            const throws_in_copy value(w);
            int caught = 0;
            try {
                auto never = takes(value);
                caught = co_await std::move(never);
            } catch (int thrown) {
                caught = thrown;
            }
            const int got = co_await number(w, 2);
            co_return caught + got;
        },
        7);
}
#endif
