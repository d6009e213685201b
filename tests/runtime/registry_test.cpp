// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/detail/registry.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <string>

using namespace std::chrono_literals;

namespace {

using rf::detail::registry_layout;

// As readers outside find it: by address and offset alone.
template <class T>
T at(const void* object, std::uint32_t offset) {
    T value{};
    std::memcpy(&value, static_cast<const char*>(object) + offset, sizeof value);
    return value;
}

}  // namespace

TEST_CASE("registry: its beginning is the same in every version") {
    CHECK(std::string(rf_registry.magic) == "ringfence tasks");
    CHECK(offsetof(registry_layout, magic) == 0);
    CHECK(offsetof(registry_layout, version) == 16);
    CHECK(offsetof(registry_layout, bytes) == 20);
    CHECK(offsetof(registry_layout, library) == 24);
    CHECK(offsetof(registry_layout, loops) == 40);
    CHECK(rf_registry.bytes == sizeof(registry_layout));
}

TEST_CASE("registry: it knows what a source_location points at") {
    const auto here = std::source_location::current();
    const auto* line = at<const char*>(&here, 0);
    CHECK(at<const char*>(line, rf_registry.line_file) == here.file_name());
    CHECK(at<const char*>(line, rf_registry.line_function) == here.function_name());
    CHECK(at<std::uint32_t>(line, rf_registry.line_number) == here.line());
}

TEST_CASE("registry: a loop is listed while it lives") {
    const rf::detail::live_loop* const before = rf_registry.loops;
    const void* listed = nullptr;
    const void* expected = nullptr;
    rf::test::run_sim([&]() -> rf::task<> {
        expected = &rf::loop::here();
        listed = reinterpret_cast<const char*>(rf_registry.loops) - rf_registry.loop_live;
        CHECK(at<const void*>(rf_registry.loops, 0) == before);
        CHECK(at<std::uint64_t>(listed, rf_registry.loop_tasks_live) == 1);
        co_return;
    });
    CHECK(listed == expected);
    CHECK(rf_registry.loops == before);
}

TEST_CASE("registry: it knows when a wait began") {
    rf::test::run_sim([]() -> rf::task<> {
        co_await rf::sleep_for(7ms);
        co_await rf::with_nursery({}, [](rf::nursery& children) -> rf::task<> {
            children.spawn([]() -> rf::task<> { co_await rf::sleep_for(1h); });
            co_await rf::sleep_for(5ms);
            int waits = 0;
            children.scope().tasks.for_each([&](rf::detail::task_record& task) {
                if (!task.waits()) return;
                ++waits;
                const void* wait = at<const void*>(&task, rf_registry.task_wait);
                const auto since = at<rf::instant>(wait, rf_registry.wait_since);
                CHECK(since == task.wait->since());
                CHECK(since == rf::loop::here().now() - 5'000'000);
            });
            CHECK(waits == 1);
            children.cancel();
        });
    });
}
