// SPDX-License-Identifier: MIT
// What completions may say, and in which order they may come: an operation ends once, and not
// before the kernel has let go of it.
#include "tests/runtime/receive_byte.hpp"
#include "tests/support/death.hpp"
#include "tests/support/scripted_driver.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using rf::test::run_scripted;
using rf::test::scripted_driver;
using rf::test::turns;
using test::receive_byte;

namespace {

constexpr std::int32_t cancel_answers[] = {0, -ENOENT, -EALREADY, -EINVAL};

constexpr std::size_t crowd = 10'000;

/// A request that writes down what it hears.
struct listener final : rf::operation {
    void start(std::uint8_t opcode) {
        submit().opcode = opcode;
        retired = 0;
        heard.clear();
    }
    void on_completion(std::int32_t res, std::uint32_t) noexcept override { heard.push_back(res); }
    void on_retired() noexcept override { ++retired; }

    std::vector<std::int32_t> heard;
    int retired = 0;
};

struct meeting {
    std::int32_t of_cancel;
    std::int32_t of_target;
    bool target_first;
    bool in_one_look;
};

// A task waits, its scope is cancelled, and the two completions come as they like.
rf::task<> meet(meeting how) {
    auto& kernel = scripted_driver::here();
    rf::cancel_scope scope;
    std::optional<std::int32_t> got;
    bool over = false;
    char room = 0;
    const auto wait = [&]() -> rf::task<> {
        got = co_await scope.run(receive_byte(3, &room));
        over = true;
    };
    const auto answer = [&]() -> rf::task<> {
        co_await turns();
        const auto target = kernel.take(IORING_OP_RECV);
        REQUIRE(target.has_value());
        scope.cancel("race");
        scope.cancel("once more");
        co_await turns();
        const auto cancel = kernel.take(IORING_OP_ASYNC_CANCEL);
        REQUIRE(cancel.has_value());
        CHECK(cancel->address == target->user_data);
        CHECK(kernel.requests.empty());
        for (const bool target_now : {how.target_first, !how.target_first}) {
            CHECK_FALSE(over);
            if (target_now)
                kernel.complete(target->user_data, how.of_target);
            else
                kernel.complete(cancel->user_data, how.of_cancel);
            if (!how.in_one_look) co_await turns();
        }
        co_await turns();
        CHECK(over);
    };
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn(wait);
        both.spawn(answer);
        co_return;
    });
    if (rf::operation::is_cancelled(how.of_target)) {
        CHECK_FALSE(got.has_value());
    } else {
        REQUIRE(got.has_value());
        CHECK(*got == how.of_target);
    }
}

/// All orders of `count` things of which `last` may stand anywhere.
template <class Body>
void at_each_place(std::size_t count, const Body& body) {
    for (std::size_t place = 0; place <= count; ++place)
        body(place);
}

struct said {
    std::int32_t res;
    std::uint32_t flags;
};

// Completions in their order, and the answer to a cancel after the first `place` of them.
rf::task<> hear(std::vector<said> completions, std::size_t place, std::int32_t answer) {
    auto& kernel = scripted_driver::here();
    listener one;
    one.start(IORING_OP_SEND_ZC);
    one.request_cancel();
    co_await turns();
    const auto target = kernel.take(IORING_OP_SEND_ZC);
    const auto cancel = kernel.take(IORING_OP_ASYNC_CANCEL);
    REQUIRE(target.has_value());
    REQUIRE(cancel.has_value());
    for (std::size_t i = 0; i <= completions.size(); ++i) {
        if (i == place) {
            CHECK(one.retired == 0);
            kernel.complete(cancel->user_data, answer);
            co_await turns();
        }
        if (i == completions.size()) break;
        CHECK(one.retired == 0);
        CHECK(one.outstanding());
        kernel.complete(target->user_data, completions[i].res, completions[i].flags);
        co_await turns();
    }
    CHECK(one.retired == 1);
    CHECK_FALSE(one.outstanding());
    REQUIRE(one.heard.size() == completions.size());
    for (std::size_t i = 0; i < completions.size(); ++i)
        CHECK(one.heard[i] == completions[i].res);
}

std::string end_of(rf::task<> (*program)()) {
    const auto end = rf::test::run_to_death(
        [program] { (void)rf::run_and_report(program, {}, std::make_unique<scripted_driver>()); });
    CHECK(end.signal == SIGABRT);
    return end.said;
}

}  // namespace

TEST_CASE("operation: whatever a cancel and its target say, and in which order, it ends once") {
    for (const std::int32_t of_cancel : cancel_answers)
        for (const std::int32_t of_target :
             {1, 0, -ECANCELED, -EINTR, -512, -513, -514, -516, -EIO, -ECONNRESET, -ENOMEM})
            for (const bool target_first : {true, false})
                for (const bool in_one_look : {true, false}) {
                    CAPTURE(of_cancel);
                    CAPTURE(of_target);
                    CAPTURE(target_first);
                    const meeting how{of_cancel, of_target, target_first, in_one_look};
                    run_scripted([how] { return meet(how); });
                }
}

TEST_CASE("operation: more completions of a multishot one may come before and after its cancel's") {
    constexpr std::uint32_t more = IORING_CQE_F_MORE;
    for (const std::int32_t end : {7, 0, -ENOBUFS, -EMFILE, -ECONNRESET, -ECANCELED, -EINTR})
        for (const std::int32_t answer : cancel_answers)
            at_each_place(3, [&](std::size_t place) {
                CAPTURE(end);
                CAPTURE(place);
                run_scripted([&] { return hear({{5, more}, {6, more}, {end, 0}}, place, answer); });
            });
}

TEST_CASE("operation: a send without a copy lasts until the kernel has let go of its memory") {
    constexpr std::uint32_t more = IORING_CQE_F_MORE;
    constexpr std::uint32_t released = IORING_CQE_F_NOTIF;
    for (const std::int32_t res : {100, 0, -ECONNRESET, -EPIPE, -ECANCELED, -ENOMEM})
        for (const std::int32_t answer : cancel_answers) {
            CAPTURE(res);
            at_each_place(2, [&](std::size_t place) {
                run_scripted([&] { return hear({{res, more}, {0, released}}, place, answer); });
            });
            // An error may come without memory having been taken.
            at_each_place(1, [&](std::size_t place) {
                run_scripted([&] { return hear({{res, 0}}, place, answer); });
            });
        }
}

TEST_CASE("operation: a completion that belongs to no request ends the process with a sentence") {
    const std::string said = end_of([]() -> rf::task<> {
        scripted_driver::here().complete(0, 0);
        co_await turns();
    });
    CHECK_MESSAGE(said.find("completion of an unknown request") != said.npos, said);
}

TEST_CASE("operation: a completion too many ends the process with a sentence") {
    const std::string said = end_of([]() -> rf::task<> {
        listener one;
        one.start(IORING_OP_NOP);
        co_await turns();
        const std::uint64_t name = scripted_driver::here().take(IORING_OP_NOP)->user_data;
        scripted_driver::here().complete(name, 0);
        scripted_driver::here().complete(name, 0);
        co_await turns();
    });
    CHECK_MESSAGE(said.find("completed more often than it was submitted") != said.npos, said);
}

TEST_CASE("operation: ten thousand completions at one look are all heard, and tasks run between") {
    run_scripted([]() -> rf::task<> {
        auto& kernel = scripted_driver::here();
        std::vector<std::unique_ptr<listener>> all;
        for (std::size_t i = 0; i < crowd; ++i) {
            all.push_back(std::make_unique<listener>());
            all.back()->start(IORING_OP_NOP);
        }
        co_await turns();
        REQUIRE(kernel.requests.size() == crowd);
        for (const auto& request : kernel.requests)
            kernel.complete(request.user_data, 0);
        kernel.requests.clear();
        std::size_t retired = 0;
        std::size_t most = 0;  // in one turn
        while (retired < crowd) {
            co_await rf::this_task::yield();
            std::size_t now = 0;
            for (const auto& one : all)
                now += static_cast<std::size_t>(one->retired);
            most = std::max(most, now - retired);
            retired = now;
        }
        CHECK(most <= 64 * 64);
    });
}
