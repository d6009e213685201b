// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/offload_job.hpp>
#include <ringfence/runtime/detail/outcome.hpp>
#include <ringfence/runtime/task.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <source_location>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace rf {

struct offload_options {
    /// Threads of the calling loop's pool, at most. 0: the number of processors, but 4 at most.
    std::uint32_t threads_max = 0;
};

/// Sets the bounds of the calling loop's pool. Threads that run already stay. Call it in a task.
void configure_offload(const offload_options& options);

namespace detail {

class offload_pool;

template <class F>
concept cooperative = std::invocable<F&, std::stop_token>;
template <class F>
concept blocking_function = cooperative<F> || std::invocable<F&>;

template <class F>
struct offload_result_of : std::invoke_result<F&> {};
template <cooperative F>
struct offload_result_of<F> : std::invoke_result<F&, std::stop_token> {};
template <class F>
using offload_result = typename offload_result_of<F>::type;

/// The part of an offloaded call that does not depend on the function.
class offload_wait : public waiter, public offload_job {
public:
    void await_suspend(std::coroutine_handle<>) noexcept;
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    [[nodiscard]] cancel_outcome cancel() noexcept override;
    void describe(wait_description& out) const override;
    void owners(wait_owners& out) const override { out.outside(); }

protected:
    offload_wait(const char* name, std::source_location where) noexcept
        : name_(name), where_(where) {}
    offload_wait(offload_wait&& other) noexcept
        : waiter(std::move(other)), offload_job(), name_(other.name_), where_(other.where_) {}
    ~offload_wait() = default;

    /// Throws if no thread could be had.
    void check_started() const;
    /// Asks the running function to stop. False if it does not listen.
    virtual bool request_stop() noexcept = 0;

private:
    void finished() noexcept override;

    const char* name_;
    std::source_location where_;
    offload_pool* pool_ = nullptr;
    int failure_ = 0;  // errno of a thread that could not be started
    bool stop_asked_ = false;
};

template <class F>
class [[nodiscard]] offload_awaiter final : public offload_wait {
public:
    using result = offload_result<F>;
    static_assert(!is_task<std::remove_cvref_t<result>>,
                  "offload runs a plain function that blocks, on another thread; a coroutine runs "
                  "here: co_await it, or spawn it");

    offload_awaiter(const char* name, F fn, std::source_location where)
        : offload_wait(name, where), fn_(std::move(fn)) {}
    offload_awaiter(offload_awaiter&& other)
        : offload_wait(std::move(other)), fn_(std::move(other.fn_)) {}

    result await_resume() {
        check_started();
        return end_.take();
    }

private:
    struct deaf {};
    using stopper = std::conditional_t<cooperative<F>, std::stop_source, deaf>;

    bool request_stop() noexcept override {
        if constexpr (cooperative<F>) stop_.request_stop();
        return cooperative<F>;
    }
    void execute() noexcept override {
        RF_TRY { end_ = call(); }
        RF_CATCH(...) {
#if RF_EXCEPTIONS
            end_ = outcome<result>::failure(std::current_exception());
#endif
        }
    }
    result invoke() {
        if constexpr (cooperative<F>)
            return std::invoke(fn_, stop_.get_token());
        else
            return std::invoke(fn_);
    }
    outcome<result> call() {
        if constexpr (std::is_void_v<result>) {
            invoke();
            return outcome<result>::success(unit{});
        } else if constexpr (std::is_reference_v<result>) {
            return outcome<result>::success(&invoke());
        } else {
            return outcome<result>::success(invoke());
        }
    }

    F fn_;
    [[no_unique_address]] stopper stop_;
    outcome<result> end_;
};

}  // namespace detail

/// Runs `fn`, a plain function that blocks or computes for long, on another thread, and returns
/// what it returns, or throws what it throws.
///
///     auto entry = co_await rf::offload("passwd lookup", [&] { return read_passwd(user); });
///
/// `fn()` or `fn(std::stop_token)`. It is kept in the waiting task's frame and may refer to what
/// the task holds, because the task does not go on before it has returned. It must not use anything
/// of ringfence. `name` is a literal: the task tree and the report of a late drain show it.
///
/// Each loop has a pool of its own, of configure_offload() threads at most, started when needed and
/// joined when the loop ends, with all signals blocked. Calls beyond that queue, oldest first; the
/// queue is the waiting tasks themselves, so it needs no memory and no bound: it presses back on
/// whoever waits.
///
/// Cancellation: a cancel point. A call that no thread has begun is taken out of the queue. One
/// that runs
///   cannot be interrupted: the scope stays open until it returns. A function that takes a
///   std::stop_token is asked to return early. What it returns or throws counts, even late.
/// Errors: io_error with EAGAIN if not a single thread can be started.
/// Threads: call it in a task. Cost: no allocation; two thread switches, about 10 us.
template <detail::blocking_function F>
[[nodiscard]] detail::offload_awaiter<F> offload(
    const char* name, F fn, std::source_location where = std::source_location::current()) {
    return detail::offload_awaiter<F>(name, std::move(fn), where);
}
template <detail::blocking_function F>
[[nodiscard]] detail::offload_awaiter<F> offload(
    F fn, std::source_location where = std::source_location::current()) {
    return detail::offload_awaiter<F>(nullptr, std::move(fn), where);
}

}  // namespace rf
