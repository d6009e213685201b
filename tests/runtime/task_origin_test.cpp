// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/detail/task_origin.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace test = rf::test;

TEST_CASE("task_origin: one word has the line, and a name beside it once there is one") {
    static_assert(sizeof(rf::detail::task_origin) == sizeof(void*));
    const auto here = std::source_location::current();
    rf::detail::task_origin origin(here);
    CHECK(origin.name() == nullptr);
    CHECK(origin.spawned().line() == here.line());
    origin.set_name(nullptr);
    CHECK(origin.name() == nullptr);
    for (const char* name : {"first", "second"}) {
        origin.set_name(name);
        CHECK(std::string_view(origin.name()) == name);
        CHECK(origin.spawned().line() == here.line());
        CHECK(std::string_view(origin.spawned().file_name()) == here.file_name());
    }
    origin.set_name(nullptr);
    CHECK(origin.name() == nullptr);
    CHECK(origin.spawned().line() == here.line());
}

#if RF_EXCEPTIONS

namespace {

// Looks at all tasks when it goes.
class looks_last {
public:
    explicit looks_last(std::string& into) noexcept : into_(&into) {}
    looks_last(looks_last&& other) noexcept : into_(std::exchange(other.into_, nullptr)) {}
    looks_last& operator=(looks_last&&) = delete;
    ~looks_last() {
        if (into_ != nullptr) *into_ = rf::task_tree(rf::loop::here());
    }

private:
    std::string* into_;
};

rf::task<> fails(looks_last) {
    throw std::runtime_error("as it must");
    co_return;
}

}  // namespace

TEST_CASE("task tree: can be made while the arguments of a failed task are destroyed") {
    std::string seen;
    test::run_sim([&]() -> rf::task<> {
        rf::nursery_options apart{.on_failure = rf::isolate};
        co_await rf::with_nursery(apart, [&](rf::nursery& children) -> rf::task<> {
            children.on_child_failure([](const rf::child_failure&) {});
            children.spawn(fails, looks_last(seen));
            co_return;
        });
    });
    CHECK(seen.find("task_origin_test.cpp") != std::string::npos);
}

#endif
