// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/offload_pool.hpp>

#include <algorithm>
#include <csignal>
#include <thread>

namespace rf::detail {
namespace {

std::uint32_t default_threads_max() noexcept {
    return std::clamp(std::thread::hardware_concurrency(), 1u, 4u);
}

}  // namespace

offload_pool::offload_pool(loop& owner) noexcept
    : owner_(owner), threads_max_(default_threads_max()) {}

void offload_pool::set_threads_max(std::uint32_t count) noexcept {
    threads_max_ = count != 0 ? count : default_threads_max();
}

int offload_pool::submit(offload_job& job) noexcept {
    {
        const std::lock_guard lock(mutex_);
        queue_.push_back(job);
        ++queued_;
        if (queued_ <= idle_ || threads_.size() >= threads_max_) {
            work_.notify_one();
            return 0;
        }
    }
    const int error = add_thread();
    if (error == 0 || !threads_.empty()) return 0;  // fewer threads than wished will do
    (void)withdraw(job);
    return error;
}

bool offload_pool::withdraw(offload_job& job) noexcept {
    const std::lock_guard lock(mutex_);
    if (!job.list_hook::linked()) return false;
    job.list_hook::unlink();
    --queued_;
    return true;
}

int offload_pool::add_thread() noexcept {
    // Signals belong to the threads that run loops. A new thread inherits the mask of its maker.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    threads_.emplace_back();
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&threads_.back(), nullptr, &offload_pool::thread_main, this);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0) threads_.pop_back();
    return error;
}

void* offload_pool::thread_main(void* self) noexcept {
    static_cast<offload_pool*>(self)->serve();
    return nullptr;
}

void offload_pool::serve() noexcept {
    pthread_setname_np(pthread_self(), "rf-offload");
    std::unique_lock lock(mutex_);
    for (;;) {
        while (queue_.empty() && !stopping_) {
            ++idle_;
            work_.wait(lock);
            --idle_;
        }
        if (queue_.empty()) return;
        offload_job& job = queue_.pop_front();
        --queued_;
        job.mark_running();
        lock.unlock();
        job.execute();
        owner_.post(job);  // from here on the job is the loop's
        lock.lock();
    }
}

void offload_pool::stop() noexcept {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    work_.notify_all();
    for (const pthread_t thread : threads_)
        pthread_join(thread, nullptr);
    threads_.clear();
    stopping_ = false;
}

}  // namespace rf::detail
