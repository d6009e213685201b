// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/scope_node.hpp>
#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/timer_wheel.hpp>

namespace rf {
class loop;
class nursery;
}  // namespace rf

namespace rf::detail {

/// Says on standard error who keeps a cancelled program from ending: `first` after the cancel, and
/// again each time the wait has doubled. One for each loop; its timer is in no count.
///
/// Threads: the loop's. Lifetime: within that of the root nursery. Cost: none before a cancel.
class hold_up_report {
public:
    /// Zero: never.
    hold_up_report(loop& owner, nursery& root, instant first);
    hold_up_report(const hold_up_report&) = delete;
    hold_up_report& operator=(const hold_up_report&) = delete;
    ~hold_up_report();

private:
    struct own_timer : timer {
        hold_up_report* self = nullptr;
    };
    struct own_hook : scope_hook {
        hold_up_report* self = nullptr;
    };

    void arm() noexcept;
    void tell() noexcept;

    static constexpr instant told_max = 86'400'000'000'000;  // a day

    loop& owner_;
    nursery& root_;
    instant next_;  // from the cancel on
    instant cancelled_at_ = 0;
    own_timer timer_;
    own_hook hook_;
};

}  // namespace rf::detail
