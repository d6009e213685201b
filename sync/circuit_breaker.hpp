// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/detail/body.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/error.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/sync/detail/guarded.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>

#include <array>
#include <cstdint>
#include <exception>
#include <functional>
#include <source_location>
#include <utility>

namespace rf::sync {

enum class circuit_state : std::uint8_t {
    closed,     // calls go through
    open,       // calls are refused
    half_open,  // a few go through, to see whether it is better
};
[[nodiscard]] const char* to_string(circuit_state state) noexcept;

/// Whether the call never reached the service, or has no answer of it: what rate_limiter,
/// keyed_rate_limiter, bulkhead, worker_pool and another circuit_breaker refuse, and
/// cancelled_error.
[[nodiscard]] bool never_asked(const std::exception_ptr& error);
/// The same of errors as values.
[[nodiscard]] bool never_asked(const rf::error& error) noexcept;

struct circuit_options {
    std::int64_t failures_in_a_row = 5;  // open the circuit; 0: do not count them
    double failure_rate = 0.5;           // of the calls in the window opens it too; 0: ignored
    std::chrono::nanoseconds window = std::chrono::seconds(10);
    std::int64_t calls_min = 20;  // in the window, before the rate counts
    std::chrono::nanoseconds open_for = std::chrono::seconds(30);
    std::int64_t probes_max = 1;       // at a time, half open
    std::int64_t probes_to_close = 1;  // that succeed
    /// Which exceptions say nothing of the service: neither failure nor success, as if the call had
    /// been cancelled. Asked before is_failure. Null: none. A function of your own can begin with
    /// `never_asked(error) ||`.
    bool (*is_ignored)(const std::exception_ptr&) = never_asked;
    /// Which of the others are failures of it; the rest count as success. Null: all are.
    bool (*is_failure)(const std::exception_ptr&) = nullptr;
};

struct circuit_breaker_statistics {
    circuit_state state = circuit_state::closed;
    std::uint64_t succeeded = 0;
    std::uint64_t failed = 0;
    std::uint64_t cancelled = 0;  // neither
    std::uint64_t ignored = 0;    // neither, by is_ignored
    std::uint64_t refused = 0;
    std::uint64_t opened = 0;            // how often
    std::int64_t failures_in_a_row = 0;  // now
    std::int64_t window_calls = 0;       // in the window that ends now
    std::int64_t window_failures = 0;
    std::int64_t probes = 0;   // under way
    std::int64_t running = 0;  // calls let through that have not ended
};

/// A call was refused because the service fails. As an io_error it has the code ECONNREFUSED;
/// about() names the breaker.
class circuit_open : public io_error {
public:
    circuit_open(std::string which, clock::time_point probe_at);
    /// When a call will be let through to see whether it is better; in the past if one is on.
    [[nodiscard]] clock::time_point probe_at() const noexcept { return probe_at_; }

private:
    clock::time_point probe_at_;
};

/// Stops calling a service that fails, and looks from time to time whether it is back.
///
///     rf::sync::circuit_breaker breaker({.failures_in_a_row = 5, .open_for = 30s});
///     auto answer = co_await breaker.guard(ask)(question);     // throws circuit_open meanwhile
///
/// A call fails by an exception, timeout_error among them, or by returning an rf::result with an
/// error. One that a limiter or a bulkhead inside the breaker has refused has not failed, see
/// circuit_options::is_ignored; errors as values are told by never_asked(). A timeout around the
/// guarded call is a cancellation; put it inside to have it count. Refused calls of a callable that
/// returns rf::result give ECONNREFUSED as its error. Cancellation: a cancelled call is neither
/// success nor failure; a cancelled probe makes room for
///   another. A call that began before the state last changed no longer counts.
/// Errors: counts and spans that make no sense throw std::invalid_argument.
/// Lifetime: outlives its calls, or aborts. Threads: one loop.
/// Cost: never allocates, has no timer: an open circuit turns half open with the first call after
///   its time. The window moves in tenths.
class circuit_breaker {
public:
    class [[nodiscard]] admission;

    explicit circuit_breaker(circuit_options options = {},
                             std::source_location made = std::source_location::current());
    circuit_breaker(const circuit_breaker&) = delete;
    circuit_breaker& operator=(const circuit_breaker&) = delete;
    ~circuit_breaker();

    template <class F>
    [[nodiscard]] auto guard(F fn) {
        return detail::guarded<circuit_breaker, F>(*this, std::move(fn));
    }

    /// For calls that guard() does not fit: asks for leave, throws circuit_open if there is none.
    [[nodiscard]] admission admit();
    /// The same; an empty admission instead of the exception.
    [[nodiscard]] admission try_admit() noexcept;

    /// Hears of each change, at once, in the task that caused it. Must not throw.
    void on_change(std::function<void(circuit_state from, circuit_state to)> listener);

    /// Half open also if the next call would make it so.
    [[nodiscard]] circuit_state state() const noexcept;
    [[nodiscard]] clock::time_point probe_at() const noexcept {
        return clock::time_point(clock::duration(probe_at_));
    }
    [[nodiscard]] circuit_breaker_statistics statistics() const noexcept;

private:
    template <class Owner, class F>
    friend class detail::guarded;

    struct tenth {
        std::int64_t number = -1;  // of which tenth of a window since time began
        std::int64_t calls = 0;
        std::int64_t failures = 0;
    };

    [[nodiscard]] bool enter() noexcept;
    void ended(std::uint64_t era, bool failed) noexcept;
    void left(std::uint64_t era, std::uint64_t& counted_as) noexcept;
    void count(bool failed) noexcept;
    void change(circuit_state to) noexcept;
    [[nodiscard]] bool should_open() const noexcept;
    [[nodiscard]] tenth in_window() const noexcept;
    [[nodiscard]] bool is_ignored(const std::exception_ptr& error) const {
        return options_.is_ignored != nullptr && options_.is_ignored(error);
    }
    [[nodiscard]] bool is_failure(const std::exception_ptr& error) const {
        return options_.is_failure == nullptr || options_.is_failure(error);
    }
    template <class T>
    void judge(admission& leave, const rf::detail::outcome<T>& end) const;
    [[noreturn]] void refuse() const;
    [[nodiscard]] static rf::error open_error() noexcept;

    template <class T, class Held, class... Args>
    static task<T> guarded_call(circuit_breaker* owner, Held fn, Args... args);

    detail::identity identity_;
    circuit_options options_;
    circuit_state state_ = circuit_state::closed;
    std::uint64_t era_ = 0;  // of the state: calls of an earlier one do not count
    instant probe_at_ = 0;   // when an open circuit turns half open
    std::int64_t running_ = 0;
    std::int64_t in_a_row_ = 0;
    std::int64_t probes_ = 0;       // under way; 0 unless half open
    std::int64_t probes_good_ = 0;  // since it is half open
    std::array<tenth, 10> window_{};
    std::function<void(circuit_state, circuit_state)> listener_;
    std::uint64_t succeeded_ = 0;
    std::uint64_t failed_ = 0;
    std::uint64_t cancelled_ = 0;
    std::uint64_t ignored_ = 0;
    std::uint64_t refused_ = 0;
    std::uint64_t opened_ = 0;
};

/// Leave for one call. Dropped without a word, the call was cancelled.
class [[nodiscard]] circuit_breaker::admission {
public:
    admission(admission&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), era_(other.era_) {}
    admission& operator=(admission&&) = delete;
    ~admission() {
        if (owner_ != nullptr) owner_->left(era_, owner_->cancelled_);
    }
    void succeeded() noexcept { end(false); }
    void failed() noexcept { end(true); }
    /// Neither: the call says nothing of the service.
    void ignored() noexcept {
        if (auto* const owner = std::exchange(owner_, nullptr)) owner->left(era_, owner->ignored_);
    }
    [[nodiscard]] explicit operator bool() const noexcept { return owner_ != nullptr; }

private:
    friend class circuit_breaker;
    admission(circuit_breaker* owner, std::uint64_t era) noexcept : owner_(owner), era_(era) {}
    void end(bool failure) noexcept {
        if (owner_ != nullptr) std::exchange(owner_, nullptr)->ended(era_, failure);
    }

    circuit_breaker* owner_;
    std::uint64_t era_;
};

// Implementation

template <class T, class Held, class... Args>
task<T> circuit_breaker::guarded_call(circuit_breaker* owner, Held fn, Args... args) {
    co_await this_task::checkpoint();  // a cancelled task must not take the place of a probe
    admission leave = owner->try_admit();
    if (!leave) {
        if constexpr (detail::is_result<T>)
            co_return T(open_error());
        else
            owner->refuse();
    }
    rf::detail::outcome<T> end;
    RF_TRY { end = co_await rf::detail::body_awaiter<T>(detail::call_task(fn, args...)); }
    RF_CATCH(...) { end = rf::detail::outcome<T>::failure(std::current_exception()); }
    if (end.cancelled()) co_await this_task::checkpoint();
    owner->judge(leave, end);
    co_return end.take();
}

template <class T>
void circuit_breaker::judge(admission& leave, const rf::detail::outcome<T>& end) const {
    if (end.failed()) {
        if (is_ignored(end.error())) return leave.ignored();
        if (is_failure(end.error())) return leave.failed();
    } else if constexpr (detail::is_result<T>) {
        if (!detail::succeeded(end))
            return never_asked(end.peek().error()) ? leave.ignored() : leave.failed();
    }
    leave.succeeded();
}

}  // namespace rf::sync
