// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/bubble.hpp>
#include <ringfence/leakcheck/simulated_driver.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/runtime/detail/scheduler.hpp>
#include <ringfence/runtime/run.hpp>

#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <unordered_set>

namespace rf::leakcheck::detail {

/// One run of a function in virtual time, and what was wrong with it.
///
/// Threads: one, and one run at a time.
class bubble_run final : run_observer {
public:
    bubble_run(const bubble_options& options, choices decisions);
    ~bubble_run() override;

    /// What fn throws is no failure.
    void allow_errors() noexcept { errors_allowed_ = true; }

    /// Runs `fn`. `chooser` may be null: oldest first.
    void execute(const std::function<task<>()>& fn, rf::detail::scheduler* chooser);

    /// One of the run's own sentences; empty if nothing was wrong.
    [[nodiscard]] const std::string& failure() const noexcept { return failure_; }
    [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }
    [[nodiscard]] simulated_kernel& world() noexcept { return world_; }
    [[nodiscard]] choices& decisions() noexcept { return world_.choices(); }

    /// The run that the calling thread is in; null outside.
    [[nodiscard]] static bubble_run* current() noexcept;
    void add_blocked(blocked_awaiter& wait) noexcept { blocked_.push_back(wait); }

private:
    void begins(loop& owner) override;
    bool idle(loop& owner) override;
    std::string deadlocked(loop& owner) override;
    void ends(loop& owner) override;
    [[nodiscard]] bool before_jump(loop& owner);
    void give_up(loop& owner, std::string why);
    void nursery_closed(const loop& owner, std::uint64_t number);
    [[nodiscard]] bool descriptors_left();
    void judge(const run_report& report, bool frames_left);

    const bubble_options& options_;
    simulated_kernel world_;
    rf::detail::scheduler* chooser_ = nullptr;
    rf::detail::intrusive_list<blocked_awaiter, rf::detail::list_hook> blocked_;
    std::uint64_t jumps_ = 0;
    instant until_;  // in virtual time, and in jumps of its clock
    std::uint64_t jumps_until_;
    bool given_up_ = false;
    bool errors_allowed_ = false;
    bool stuck_allowed_ = false;  // the deadlock was of tasks that may wait for ever
    std::string failure_;
    std::string left_by_nurseries_;
    std::string left_at_end_;                            // beyond what is allowed
    std::unordered_set<std::int64_t> descriptors_seen_;  // left by objects, and allowed
    std::exception_ptr error_;
};

}  // namespace rf::leakcheck::detail
