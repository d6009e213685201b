// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/waiter.hpp>

#include <fmt/format.h>

#include <coroutine>
#include <cstdint>
#include <map>

namespace rf::test {

/// Forces an order of steps among tasks: `co_await order.step(n)` waits until steps 0 to n-1 have
/// been passed, and then passes step n. Each number once.
///
///     co_await order.step(0);   // in one task
///     co_await order.step(1);   // in another, always after it
///
/// Cancellation: a cancel point; a cancelled wait leaves its step open, and later steps wait.
class sequencer {
public:
    class [[nodiscard]] awaiter final : public waiter {
    public:
        awaiter(sequencer& order, std::uint32_t number) noexcept : order_(order), number_(number) {}
        [[nodiscard]] bool await_ready() const noexcept {
            return number_ == order_.next_ && !cancel_requested();
        }
        void await_suspend(std::coroutine_handle<>) noexcept {
            if (!enter()) return;
            const bool fresh = order_.waiting_.emplace(number_, this).second;
            RF_ASSERT(fresh && number_ > order_.next_, "a step of a sequencer was taken twice");
        }
        void await_resume() noexcept { order_.pass(number_); }
        [[nodiscard]] cancel_outcome cancel() noexcept override {
            order_.waiting_.erase(number_);
            return cancel_outcome::removed;
        }
        void describe(wait_description& out) const override {
            out.kind = "sequencer";
            out.object = &order_;
            out.what =
                fmt::format("step {}, while step {} has not been passed", number_, order_.next_);
        }

    private:
        friend class sequencer;
        sequencer& order_;
        std::uint32_t number_;
    };

    [[nodiscard]] awaiter step(std::uint32_t number) noexcept { return {*this, number}; }
    /// The step that nobody has passed yet.
    [[nodiscard]] std::uint32_t next() const noexcept { return next_; }

private:
    void pass(std::uint32_t number) noexcept {
        RF_ASSERT(number == next_, "a step of a sequencer was taken twice");
        const auto found = waiting_.find(++next_);
        if (found == waiting_.end()) return;
        awaiter& follower = *found->second;
        waiting_.erase(found);
        follower.resume();
    }

    std::uint32_t next_ = 0;
    std::map<std::uint32_t, awaiter*> waiting_;
};

}  // namespace rf::test
