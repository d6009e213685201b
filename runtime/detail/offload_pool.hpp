// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/runtime/detail/offload_job.hpp>
#include <ringfence/runtime/loop.hpp>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <pthread.h>
#include <vector>

namespace rf::detail {

/// The threads of one loop that run blocking calls, and the calls that wait for a thread.
///
/// Threads: submit, withdraw and stop are for the loop's thread.
class offload_pool final : public loop_service {
public:
    explicit offload_pool(loop& owner) noexcept;
    ~offload_pool() override { stop(); }

    void set_threads_max(std::uint32_t count) noexcept;

    /// Queues `job`; its finished() follows. 0, or an errno if no thread can be had, and then it is
    /// not queued.
    [[nodiscard]] int submit(offload_job& job) noexcept;

    /// Takes `job` out of the queue. False if a thread has begun it.
    [[nodiscard]] bool withdraw(offload_job& job) noexcept;

    /// Ends and joins the threads. No job may be left.
    void stop() noexcept override;

    [[nodiscard]] loop& owner() noexcept { return owner_; }
    [[nodiscard]] std::size_t threads_count() const noexcept { return threads_.size(); }

private:
    static void* thread_main(void* self) noexcept;
    void serve() noexcept;
    [[nodiscard]] int add_thread() noexcept;

    loop& owner_;
    std::uint32_t threads_max_;
    std::vector<pthread_t> threads_;
    std::mutex mutex_;
    std::condition_variable work_;
    intrusive_list<offload_job> queue_;  // under mutex_; oldest first
    std::uint32_t idle_ = 0;             // under mutex_; threads in work_.wait()
    std::uint32_t queued_ = 0;           // under mutex_; length of queue_
    bool stopping_ = false;              // under mutex_
};

}  // namespace rf::detail
