// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/body.hpp>
#include <ringfence/runtime/error.hpp>
#include <ringfence/runtime/nursery.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/sync/detail/guarded.hpp>
#include <ringfence/sync/semaphore.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <tuple>
#include <utility>

namespace rf::sync {

struct worker_pool_options {
    std::int64_t workers = 1;  // jobs at a time
    std::int64_t queue = 0;    // jobs that may wait for a worker
};

struct worker_pool_statistics {
    std::int64_t running = 0;
    std::int64_t queued = 0;
    std::size_t submitting = 0;  // tasks that wait for a place in the queue
    std::uint64_t succeeded = 0;
    std::uint64_t failed = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t rejected = 0;
};

/// A job for a pool that drains. As an io_error it has the code EPIPE; about() names the pool.
class pool_draining : public io_error {
public:
    explicit pool_draining(std::string which);
};

namespace detail {

/// How a job ended. A failure that nobody asks for is printed, so that it is not lost.
template <class T>
class job_end {
public:
    job_end(rf::detail::outcome<T> end, std::uint64_t id) noexcept
        : end_(std::move(end)), id_(id) {}
    job_end(job_end&& other) noexcept
        : end_(std::move(other.end_)), id_(other.id_), read_(std::exchange(other.read_, true)) {}
    job_end& operator=(job_end&&) = delete;
    ~job_end() {
        if (!read_ && end_.failed()) rf::detail::report_unread_failure(id_, end_.error());
    }
    T take() {
        read_ = true;
        return end_.take();
    }

private:
    rf::detail::outcome<T> end_;
    std::uint64_t id_;
    bool read_ = false;
};

/// The counters of a pool, for its jobs.
struct pool_counts {
    std::int64_t running = 0;
    std::int64_t queued = 0;
    std::uint64_t succeeded = 0;
    std::uint64_t failed = 0;
    std::uint64_t cancelled = 0;

    /// One job's share in them: left without a word, it was cancelled.
    class share {
    public:
        explicit share(pool_counts& counts) noexcept : counts_(counts) { ++counts.queued; }
        share(const share&) = delete;
        share& operator=(const share&) = delete;
        ~share() {
            --(runs_ ? counts_.running : counts_.queued);
            if (!ended_) ++counts_.cancelled;
        }
        void runs() noexcept {
            runs_ = true;
            --counts_.queued;
            ++counts_.running;
        }
        void ended(bool failure) noexcept {
            ended_ = true;
            ++(failure ? counts_.failed : counts_.succeeded);
        }

    private:
        pool_counts& counts_;
        bool runs_ = false;
        bool ended_ = false;
    };
};

/// Waits for a worker, then calls `fn`. Does not fail: the outcome is the value.
template <class T, class F, class... Args>
task<job_end<T>> run_pool_job(semaphore& workers, pool_counts& counts, permit, F& fn,
                              Args&... args) {
    pool_counts::share share(counts);
    auto worker = co_await workers.acquire();
    share.runs();
    rf::detail::outcome<T> end;
    RF_TRY { end = co_await rf::detail::body_awaiter<T>(call_task(fn, args...)); }
    RF_CATCH(...) { end = rf::detail::outcome<T>::failure(std::current_exception()); }
    if (end.cancelled()) co_await this_task::checkpoint();
    share.ended(end.failed());
    co_return job_end<T>(std::move(end), this_task::id());
}

/// A job as the child of a nursery: its place in the pool, its function and its arguments.
template <class T, class F, class... Args>
class pool_job {
public:
    pool_job(semaphore& workers, pool_counts& counts, permit place, F fn, Args... args)
        : workers_(&workers), counts_(&counts), place_(std::move(place)), fn_(std::move(fn)),
          args_(std::move(args)...) {}
    task<job_end<T>> operator()() {
        return std::apply(
            [this](Args&... args) {
                return run_pool_job<T, F, Args...>(*workers_, *counts_, std::move(place_), fn_,
                                                   args...);
            },
            args_);
    }

private:
    semaphore* workers_;
    pool_counts* counts_;
    permit place_;
    F fn_;
    std::tuple<Args...> args_;
};

}  // namespace detail

namespace detail {

/// The wait for a job: that of its task, with the outcome taken apart.
template <class T>
class [[nodiscard]] job_awaiter : public rf::detail::native_awaiter {
public:
    using selectable = void;

    explicit job_awaiter(const join_handle<job_end<T>>& job) noexcept
        : wait_(job.operator co_await()) {}

    [[nodiscard]] bool await_ready() const noexcept { return wait_.await_ready(); }
    void await_suspend(std::coroutine_handle<> awaiting) noexcept { wait_.await_suspend(awaiting); }
    T await_resume() {
        auto end = wait_.await_resume();
        return end.take();
    }

    // For select.
    void start() noexcept { wait_.start(); }
    [[nodiscard]] waiter& as_waiter() noexcept { return wait_; }

private:
    rf::detail::join_awaiter<job_end<T>> wait_;
};

}  // namespace detail

/// The right to the result of a job: `co_await job.result()` gives its value or throws its failure,
/// once. Dropping it leaves the job running; a failure is then printed.
template <class T>
class [[nodiscard]] pool_job_handle {
public:
    explicit pool_job_handle(join_handle<detail::job_end<T>> job) noexcept : job_(std::move(job)) {}

    /// Refers to the handle, which stays until it has ended. Cancelled, the job goes on. A job that
    /// was cancelled gives cancelled_error. Can be a case of select.
    [[nodiscard]] detail::job_awaiter<T> result() const noexcept {
        return detail::job_awaiter<T>(job_);
    }
    /// Cancels this job alone.
    void cancel(std::string_view reason = {},
                std::source_location where = std::source_location::current()) noexcept {
        job_.cancel(reason, where);
    }
    [[nodiscard]] bool ended() const noexcept { return job_.ended(); }

private:
    join_handle<detail::job_end<T>> job_;
};

/// Runs jobs, so many at a time, with a bounded queue before them.
///
///     rf::sync::worker_pool pool(nursery, {.workers = 10, .queue = 100});
///     auto job = co_await pool.submit(resize, std::move(picture));   // waits while it is full
///     auto small = co_await job.result();
///     auto sum = co_await pool.call(add, 1, 2);                      // both in one
///
/// A submitted job is a child of the nursery, so it ends before the nursery does, and is cancelled
/// with it. Its failure is its own: it goes to the handle, and neither cancels the nursery nor
/// ends the pool. There are no idle workers: a job that waits is a task that waits for one.
/// Order: jobs begin in the order of submission, call() included.
/// Cancellation: submit() and call() are cancel points. A cancelled submit() has started nothing;
///   a cancelled call() cancels its function, which runs in the caller's task.
/// Errors: fewer than 1 worker or a queue below 0 throw std::invalid_argument; pool_draining after
///   drain(); what nursery::async throws, when the nursery drains or is full.
/// Lifetime: outlives its jobs, which are children of the nursery, or aborts: make it outside the
///   nursery.
/// Threads: one loop. Cost: that of nursery::async.
class worker_pool {
public:
    worker_pool(nursery& home, worker_pool_options options,
                std::source_location made = std::source_location::current());
    ~worker_pool();

    /// Waits for a place in the pool, and starts `fn(args...)` as a job.
    template <class F, class... Args>
        requires rf::detail::async_callable<F&, Args...>
    [[nodiscard]] task<pool_job_handle<rf::detail::call_result<F&, Args...>>> submit(F fn,
                                                                                     Args... args) {
        check_open();
        permit place = co_await places_.acquire();
        co_return start(std::move(place), std::move(fn), std::move(args)...);
    }

    /// The same without waiting: nothing if the pool is full or drains.
    template <class F, class... Args>
        requires rf::detail::async_callable<F&, Args...>
    [[nodiscard]] std::optional<pool_job_handle<rf::detail::call_result<F&, Args...>>> try_submit(
        F fn, Args... args) {
        permit place;
        if (!draining_ && !home_.closed_to_children() && home_.has_room())
            place = places_.try_acquire();
        if (!place) {
            ++rejected_;
            return std::nullopt;
        }
        return start(std::move(place), std::move(fn), std::move(args)...);
    }

    /// Waits for a worker, runs `fn(args...)` in the calling task, and gives its value.
    template <class F, class... Args>
        requires rf::detail::async_callable<F&, Args...>
    [[nodiscard]] task<rf::detail::call_result<F&, Args...>> call(F fn, Args... args) {
        using value = rf::detail::call_result<F&, Args...>;
        check_open();
        permit place = co_await places_.acquire();
        auto end = co_await detail::run_pool_job<value, F, Args...>(workers_, counts_,
                                                                    std::move(place), fn, args...);
        co_return end.take();
    }

    /// Takes no more jobs, and waits until those submitted, and those that wait to be, have ended.
    /// Cancel point; a cancelled drain leaves the pool draining. May be called again.
    [[nodiscard]] task<> drain();

    [[nodiscard]] worker_pool_statistics statistics() const noexcept {
        return {counts_.running,   counts_.queued, places_.statistics().waiting,
                counts_.succeeded, counts_.failed, counts_.cancelled,
                rejected_};
    }

private:
    void check_open();

    template <class F, class... Args>
    auto start(permit place, F fn, Args... args) {
        using value = rf::detail::call_result<F&, Args...>;
        return pool_job_handle<value>(home_.async(detail::pool_job<value, F, Args...>(
            workers_, counts_, std::move(place), std::move(fn), std::move(args)...)));
    }

    detail::identity identity_;
    nursery& home_;
    std::size_t places_count_;
    semaphore places_;   // in the pool: running or queued
    semaphore workers_;  // of those, running
    detail::pool_counts counts_;
    std::uint64_t rejected_ = 0;
    bool draining_ = false;
};

}  // namespace rf::sync
