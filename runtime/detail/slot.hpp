// SPDX-License-Identifier: MIT
#pragma once

#include <coroutine>
#include <cstdint>
#include <utility>

namespace rf {
class loop;
}

namespace rf::detail {

class image_builder;
struct task_record;

/// What the calling thread is running. Constant-initialised and trivially destroyed, so that each
/// access is one load from thread-local storage.
struct loop_slot {
    std::coroutine_handle<> next;    // where the trampoline goes from here; null: back to the loop
    task_record* current = nullptr;  // the task whose code runs; null in the loop itself
    loop* owner = nullptr;           // the loop that runs on this thread
    bool unwinding = false;          // frames are being destroyed by cancellation
    std::int32_t ready_left = 0;     // waits that may still be ready at once; see spend_ready()
    image_builder* walk = nullptr;   // the walk over all live tasks that is under way, or null
};

inline thread_local constinit loop_slot slot{};

/// A task whose waits are always ready at once would keep the loop for itself. So waits that are
/// ready are counted, and after some hundreds one of them gives way to others all the same: false.
[[nodiscard]] inline bool spend_ready() noexcept { return --slot.ready_left >= 0; }
[[nodiscard]] inline bool ready_spent() noexcept { return slot.ready_left <= 0; }
/// The same for operations that count anyway how often they took place: they look at ready_spent()
/// before, which is cheaper than counting once more, and pay for every 64th here.
inline void pay_ready(std::uint64_t took_place) noexcept {
    if (took_place % 64 == 0) [[unlikely]]
        if (slot.ready_left > 0) slot.ready_left -= 64;
}

}  // namespace rf::detail
