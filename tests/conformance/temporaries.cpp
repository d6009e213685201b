// SPDX-License-Identifier: MIT
// Objects that live in an expression with a co_await: arguments, results and what is made of them.
#include "pattern.hpp"

#include <optional>
#include <tuple>
#include <variant>
#include <vector>

using namespace conformance;

namespace {

rf::task<int> by_value(world& w, object given) {
    const int got = co_await point(w, given.value);
    co_return got + given.value;
}
rf::task<int> by_reference(world& w, const object& given) {
    const int got = co_await point(w, given.value);
    co_return got + given.value;
}
rf::task<int> by_move(world& w, unique&& given) {
    const int got = co_await point(w, given.value);
    co_return got + given.value;
}
rf::task<int> unique_by_value(world& w, unique given) {
    const int got = co_await point(w, given.value);
    co_return got + given.value;
}
rf::task<int> length(world& w, std::string given) {
    const int got = co_await point(w, static_cast<int>(given.size()));
    co_return got;
}
rf::task<int> maybe(world& w, std::optional<object> given) {
    const int got = co_await point(w, given.has_value() ? given->value : 0);
    co_return got;
}
rf::task<int> either(world& w, std::variant<int, object> given) {
    const int got = co_await point(w, static_cast<int>(given.index()));
    co_return got;
}
rf::task<int> pair_sum(world& w, std::pair<object, int> given) {
    const int got = co_await point(w, given.second);
    co_return got + given.first.value;
}
rf::task<int> with_default(world& w, const std::string& given = std::string(40, 'x')) {
    const int got = co_await point(w, static_cast<int>(given.size()));
    co_return got;
}
rf::task<int> mixed(world& w, const object& a, int b, unique c, const std::string& d) {
    const int got = co_await point(w, b);
    co_return got + a.value + c.value + static_cast<int>(d.size());
}
int sum(const object& a, const object& b) { return a.value + b.value; }

class awaiter_with_constructor final : public rf::waiter {
public:
    awaiter_with_constructor(world& w, object held) : held_(std::move(held)), inner_(w, 0) {}
    bool await_ready() { return true; }
    void await_suspend(std::coroutine_handle<>) {}
    int await_resume() { return held_.value; }
    rf::cancel_outcome cancel() noexcept override { return rf::cancel_outcome::removed; }
    void describe(rf::wait_description&) const override {}

private:
    object held_;
    point inner_;
};

}  // namespace

TEST_CASE("conformance: class temporaries by value and by reference") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const int a = co_await by_value(w, object(w, 1));
            const int b = co_await by_reference(w, object(w, 2));
            co_return a + b;
        },
        6);
}

TEST_CASE("conformance: arguments that can only be moved") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            unique named(w, 1);
            const int a = co_await unique_by_value(w, std::move(named));
            const int b = co_await unique_by_value(w, unique(w, 2));
            const int c = co_await by_move(w, unique(w, 3));
            co_return a + b + c;
        },
        12);
}

TEST_CASE("conformance: arguments made by implicit conversion") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const int a = co_await length(w, "a literal that does not fit into the string itself");
            const int b = co_await maybe(w, object(w, 1));
            const int c = co_await maybe(w, std::nullopt);
            const int d = co_await either(w, object(w, 1));
            const int e = co_await pair_sum(w, {object(w, 1), 2});
            co_return a + b + c + d + e;
        },
        55);
}

TEST_CASE("conformance: temporaries of default arguments") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const int a = co_await with_default(w);
            co_return a;
        },
        40);
}

TEST_CASE("conformance: awaits inside awaits") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const int a = co_await by_value(w, co_await make(w, co_await number(w, 2)));
            const int b = co_await by_reference(w, co_await make(w, 3));
            co_return a + b;
        },
        10);
}

TEST_CASE("conformance: several awaits in one call and one expression") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const int a = sum(co_await make(w, 1), co_await make(w, 2));
            const int b = co_await number(w, 3) * co_await number(w, 4) + co_await number(w, 5);
            const int c = co_await mixed(w, object(w, 1), co_await number(w, 2),
                                         co_await make_unique_object(w, 3), std::string(30, 'y'));
            co_return a + b + c;
        },
        56);
}

TEST_CASE("conformance: strings put together from awaited parts") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const std::string all =
                "long enough to be on the heap: " + co_await text(w, std::string(20, 'a')) + ", " +
                co_await text(w, std::string(30, 'b'));
            co_return static_cast<int>(all.size());
        },
        83);
}

// Not `new object(co_await ...)`: destroyed while suspended, Clang leaks the block that was
// allocated before the await, and GCC 12 frees a pointer that was never set.
TEST_CASE("conformance: make_unique of an awaited value, and new of one that was awaited before") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            object first = co_await make(w, 1);
            const std::unique_ptr<object> a(new object(std::move(first)));
            const auto b = std::make_unique<object>(co_await make(w, 2));
            const int c = co_await number(w, 3);
            co_return a->value + b->value + c;
        },
        6);
}

TEST_CASE("conformance: references that extend the life of an awaited temporary") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const object& a = co_await make(w, 1);
            object&& b = co_await make(w, 2);
            const int c = co_await number(w, 3);
            co_return a.value + b.value + c;
        },
        6);
}

TEST_CASE("conformance: members of an awaited temporary") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const int a = (co_await make(w, 1)).value;
            const auto b = (co_await text(w, std::string(40, 'z'))).size();
            const auto c = (co_await text(w, std::string(40, 'z'))).substr(10).size();
            co_return a + static_cast<int>(b + c);
        },
        71);
}

TEST_CASE("conformance: awaited values in non-aggregates, by parentheses") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const std::pair<object, object> both(co_await make(w, 1), co_await make(w, 2));
            const std::tuple<object, int> mix(co_await make(w, 3), co_await number(w, 4));
            std::vector<object> list;
            list.push_back(co_await make(w, 5));
            list.emplace_back(co_await make(w, 6));
            const int last = co_await number(w, 7);
            co_return both.first.value + both.second.value + std::get<0>(mix).value +
                std::get<1>(mix) + list[0].value + list[1].value + last;
        },
        28);
}

TEST_CASE("conformance: awaiters that hold objects, by constructor and by a function") {
    check_pattern(
        [](world& w) -> rf::task<int> {
            const auto factory = [&w] { return awaiter_with_constructor(w, object(w, 2)); };
            const int a = co_await awaiter_with_constructor(w, object(w, 1));
            const int b = co_await factory();
            const int c = co_await number(w, 3);
            co_return a + b + c;
        },
        6);
}
