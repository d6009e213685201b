// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/cancel_points.hpp>
#include <ringfence/leakcheck/choices.hpp>
#include <ringfence/runtime/detail/scheduler.hpp>
#include <ringfence/runtime/detail/scope_node.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rf::leakcheck::detail {

/// One thing to be done to one run. With everything at its default, nothing is.
struct injection_plan {
    injection when{};         // one of before_submit ... in_cleanup; or a fault
    injection from{};         // one of by_own_scope ... by_deadline
    std::uint32_t point = 0;  // the await; or the number of the short transfer or the frame
    std::uint32_t step = 0;   // before_submit: the resumption that leads to it
    std::uint8_t opcode = 0;  // error
    std::int32_t code = 0;    // error

    /// "c12.2.16", for replay tokens.
    [[nodiscard]] std::string text() const;
    [[nodiscard]] static std::optional<injection_plan> parse(std::string_view text);
};

/// Where a task gave control away.
struct await_event {
    std::uint64_t task = 0;
    std::uint32_t step = 0;  // in which resumption of all
    std::source_location where{};
};

/// Lets tasks run oldest first, notes where they await, and delivers what the plan says.
class injector final : public rf::detail::scheduler {
public:
    explicit injector(const injection_plan& plan) : plan_(plan) {}

    /// All of fn runs inside this scope; null once it has ended.
    void set_outer(rf::detail::scope_node* outer) noexcept { outer_ = outer; }

    [[nodiscard]] std::size_t choose(std::span<rf::detail::task_record* const>) override {
        return 0;
    }
    void before(rf::detail::task_record& task) override;
    void after() override;

    /// The simulated kernel's decisions that fit the plan.
    [[nodiscard]] choices decisions();

    [[nodiscard]] const std::vector<await_event>& awaits() const noexcept { return awaits_; }
    [[nodiscard]] std::uint32_t delivered() const noexcept { return delivered_; }
    /// Whether fn was cancelled as a whole, and when.
    [[nodiscard]] std::optional<instant> cancelled_at() const noexcept { return cancelled_at_; }
    [[nodiscard]] std::uint32_t transfers() const noexcept { return transfers_; }

private:
    void deliver(rf::detail::task_record& task);
    void cancel_all();
    std::uint32_t decide(choice what, std::uint32_t count);

    const injection_plan plan_;
    rf::detail::scope_node* outer_ = nullptr;
    std::vector<await_event> awaits_;
    std::uint64_t running_ = 0;
    std::uint64_t victim_ = 0;  // in_cleanup: the task that was cancelled once
    std::uint32_t step_ = 0;
    std::uint32_t delivered_ = 0;
    std::uint32_t transfers_ = 0;
    std::optional<instant> cancelled_at_;
};

}  // namespace rf::leakcheck::detail
