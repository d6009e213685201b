// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/owned.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

using rf::detail::owned;

namespace {

struct counted {
    explicit counted(int& alive) : alive_(&alive) { ++*alive_; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    virtual ~counted() { --*alive_; }
    int* alive_;
};
struct node : counted {
    using counted::counted;
    owned<node> next;
};

}  // namespace

TEST_CASE("owned: takes what make_unique made, and destroys it at its end") {
    int alive = 0;
    {
        const owned<counted> one = std::make_unique<node>(alive);
        CHECK(alive == 1);
        CHECK(one != nullptr);
        CHECK(static_cast<bool>(one));
        CHECK(one.get() == &*one);
        CHECK(one->alive_ == &alive);
    }
    CHECK(alive == 0);
    CHECK(owned<counted>() == nullptr);
    CHECK(sizeof(owned<counted>) == sizeof(void*));
}

TEST_CASE("owned: moves, and what was there before is destroyed") {
    int alive = 0;
    owned<counted> one = std::make_unique<counted>(alive);
    owned<counted> other = std::make_unique<counted>(alive);
    one = std::move(other);
    CHECK(alive == 1);
    CHECK(one != nullptr);
    CHECK(other == nullptr);
    owned<counted> moved(std::move(one));
    CHECK(alive == 1);
    CHECK(one == nullptr);
    moved = nullptr;
    CHECK(alive == 0);
    static_assert(!std::is_copy_constructible_v<owned<counted>>);
    static_assert(std::is_nothrow_move_constructible_v<owned<counted>>);
}

TEST_CASE("owned: the first of a list gives way to its next") {
    int alive = 0;
    owned<node> first = std::make_unique<node>(alive);
    first->next = std::make_unique<node>(alive);
    const node* second = first->next.get();
    first = std::move(first->next);
    CHECK(first.get() == second);
    CHECK(alive == 1);
}

TEST_CASE("owned: an array is destroyed as one") {
    struct value {
        int* alive = nullptr;
        value() = default;
        value(const value&) = delete;
        value& operator=(const value&) = delete;
        ~value() {
            if (alive != nullptr) --*alive;
        }
    };
    int alive = 3;
    {
        const owned<value[]> all = std::make_unique<value[]>(3);
        for (std::size_t at = 0; at < 3; ++at)
            all[at].alive = &alive;
    }
    CHECK(alive == 0);
    static_assert(!std::is_convertible_v<std::unique_ptr<int[]>, owned<int>>);
    static_assert(!std::is_convertible_v<std::unique_ptr<int>, owned<int[]>>);
}
