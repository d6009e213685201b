// SPDX-License-Identifier: MIT
// What a coroutine returns, takes apart and keeps across a suspension.
#include "pattern.hpp"

#include <array>
#include <tuple>
#include <utility>

using namespace conformance;

namespace {

struct aggregate {
    object first;
    object second;
};

rf::task<std::pair<object, object>> two(world& w) {
    object a = co_await make(w, 1);
    object b = co_await make(w, 2);
    co_return {std::move(a), std::move(b)};
}
rf::task<aggregate> both(world& w) {
    object a = co_await make(w, 3);
    object b = co_await make(w, 4);
    aggregate made{std::move(a), std::move(b)};
    co_return made;
}
rf::task<std::pair<int, int>> nothing(world& w) {
    (void)co_await point(w, 0);
    co_return {};
}
template <class... Numbers>
rf::task<int> folded(world& w, Numbers... numbers) {
    const int sum = (co_await number(w, numbers) + ... + 0);
    co_return sum;
}
template <int... Numbers>
rf::task<int> packed(world& w, std::integer_sequence<int, Numbers...>) {
    const auto all = std::make_tuple(co_await make(w, Numbers)...);
    const int more = co_await number(w, 100);
    co_return (std::get<Numbers>(all).value + ... + more);
}
rf::task<object&> same(world& w, object& given) {
    (void)co_await point(w, 0);
    co_return given;
}

}  // namespace

TEST_CASE("conformance: structured bindings of a named result") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            auto pair = co_await two(w);
            auto& [a, b] = pair;
            const auto result = co_await both(w);
            const auto& [c, d] = result;
            const int more = co_await number(w, 10);
            co_return a.value + b.value + c.value + d.value + more;
        },
        20);
}

TEST_CASE("conformance: co_return of a braced list, of nothing, and of an aggregate") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const auto pair = co_await two(w);
            const auto result = co_await both(w);
            const auto zero = co_await nothing(w);
            co_return pair.second.value + result.second.value + zero.first;
        },
        6);
}

TEST_CASE("conformance: fold expressions and packs of awaits") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const int a = co_await folded(w, 1, 2, 3);
            const int b = co_await packed(w, std::integer_sequence<int, 0, 1, 2>());
            co_return a + b;
        },
        109);
}

TEST_CASE("conformance: arrays of objects across a suspension") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            object plain[2] = {object(w, 1), object(w, 2)};
            std::array<object, 2> wrapped{object(w, 3), object(w, 4)};
            const int got = co_await number(w, 5);
            co_return got + plain[0].value + plain[1].value + wrapped[0].value + wrapped[1].value;
        },
        15);
}

TEST_CASE("conformance: references out of a task") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            object here(w, 1);
            object& there = co_await same(w, here);
            there.value = 8;
            (void)co_await number(w, 0);
            co_return here.value;
        },
        8);
}

TEST_CASE("conformance: a task kept in a local and awaited later") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            auto kept = make(w, 1);
            auto dropped = make(w, 1000);
            const int between = co_await number(w, 2);
            const object late = co_await std::move(kept);
            co_return between + late.value;
        },
        3);
}
