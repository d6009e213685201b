// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/runtime/inbox.hpp>

#include <atomic>

namespace rf::detail {

/// A call for the pool. Lives in the frame of the task that waits for it.
class offload_job : public list_hook, public inbox_message {
public:
    /// Runs the call. On a thread of the pool.
    virtual void execute() noexcept = 0;
    /// The call has returned. On the loop's thread.
    virtual void finished() noexcept = 0;
    [[nodiscard]] bool running() const noexcept { return running_.load(std::memory_order_relaxed); }
    void mark_running() noexcept { running_.store(true, std::memory_order_relaxed); }

protected:
    offload_job() noexcept = default;
    ~offload_job() = default;

private:
    std::atomic<bool> running_{false};  // set by the thread that takes the job; a dump only looks
};

}  // namespace rf::detail
