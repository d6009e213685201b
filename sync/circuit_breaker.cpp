// SPDX-License-Identifier: MIT
#include <ringfence/sync/circuit_breaker.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <string_view>

namespace rf::sync {

const char* to_string(circuit_state state) noexcept {
    switch (state) {
    case circuit_state::closed: return "closed";
    case circuit_state::open: return "open";
    case circuit_state::half_open: return "half open";
    }
    return "?";
}

circuit_open::circuit_open(std::string which, clock::time_point probe_at)
    : io_error(rf::error("circuit breaker", ECONNREFUSED), std::move(which)), probe_at_(probe_at) {}

bool never_asked(const rf::error& error) noexcept {
    // The operations of errors that the kit makes itself: the same in exceptions and as values.
    constexpr std::array<std::string_view, 5> refusals{"rate limit", "rate limit of a new key",
                                                       "bulkhead", "submit to a worker_pool",
                                                       "circuit breaker"};
    return std::ranges::find(refusals, error.operation()) != refusals.end();
}

bool never_asked(const std::exception_ptr& error) {
#if RF_EXCEPTIONS
    try {
        std::rethrow_exception(error);
    } catch (const io_error& failure) {
        return never_asked(failure.error());
    } catch (const cancelled_error&) {
        return true;
    } catch (...) {
        return false;
    }
#else
    (void)error;
    return false;
#endif
}

circuit_breaker::circuit_breaker(circuit_options options, std::source_location made)
    : identity_{"circuit_breaker", made}, options_(options) {
    const char* wrong = nullptr;
    if (options.failures_in_a_row < 0)
        wrong = "failures_in_a_row is a number from 1 up, or 0 for not counting them";
    else if (!(options.failure_rate >= 0 && options.failure_rate <= 1))
        wrong = "failure_rate is a part from 0 to 1, and 0 means that it is ignored";
    else if (options.failures_in_a_row == 0 && options.failure_rate == 0)
        wrong = "with neither failures_in_a_row nor failure_rate it would never open";
    else if (options.window.count() < 10)
        wrong = "the window has to be longer than nothing";
    else if (options.calls_min < 1)
        wrong = "calls_min has to be at least 1";
    else if (options.open_for.count() < 1)
        wrong = "open_for has to be longer than nothing";
    else if (options.probes_max < 1)
        wrong = "probes_max has to be at least 1, or it would never close again";
    else if (options.probes_to_close < 1)
        wrong = "probes_to_close has to be at least 1";
    if (wrong != nullptr)
        RF_THROW(std::invalid_argument(fmt::format("{}: {}", identity_.text(), wrong)));
}

circuit_breaker::~circuit_breaker() {
    if (running_ != 0)
        detail::misused(identity_, fmt::format("it was destroyed while {} of its calls run; it has "
                                               "to outlive them",
                                               running_)
                                       .c_str());
}

circuit_state circuit_breaker::state() const noexcept {
    if (state_ == circuit_state::open && loop::here().now() >= probe_at_)
        return circuit_state::half_open;
    return state_;
}

bool circuit_breaker::enter() noexcept {
    if (state_ == circuit_state::open && loop::here().now() >= probe_at_)
        change(circuit_state::half_open);
    const bool room = state_ == circuit_state::closed ||
                      (state_ == circuit_state::half_open && probes_ < options_.probes_max);
    if (!room) {
        ++refused_;
        return false;
    }
    if (state_ == circuit_state::half_open) ++probes_;
    ++running_;
    return true;
}

void circuit_breaker::on_change(std::function<void(circuit_state, circuit_state)> listener) {
    listener_ = std::move(listener);
}

circuit_breaker::admission circuit_breaker::try_admit() noexcept {
    const bool in = enter();
    return {in ? this : nullptr, era_};
}

circuit_breaker::admission circuit_breaker::admit() {
    if (!enter()) refuse();
    return {this, era_};
}

void circuit_breaker::left(std::uint64_t era, std::uint64_t& counted_as) noexcept {
    --running_;
    ++counted_as;
    if (era == era_ && state_ == circuit_state::half_open) --probes_;
}

void circuit_breaker::ended(std::uint64_t era, bool failed) noexcept {
    --running_;
    ++(failed ? failed_ : succeeded_);
    if (era != era_) return;
    if (state_ == circuit_state::closed) {
        count(failed);
        if (failed && should_open()) change(circuit_state::open);
        return;
    }
    --probes_;  // half open: while it is open, no call begins
    if (failed)
        change(circuit_state::open);
    else if (++probes_good_ >= options_.probes_to_close)
        change(circuit_state::closed);
}

void circuit_breaker::count(bool failed) noexcept {
    in_a_row_ = failed ? in_a_row_ + 1 : 0;
    const std::int64_t number = loop::here().now() / (options_.window.count() / 10);
    tenth& now = window_[static_cast<std::size_t>(number) % window_.size()];
    if (now.number != number) now = {number, 0, 0};
    ++now.calls;
    now.failures += failed ? 1 : 0;
}

circuit_breaker::tenth circuit_breaker::in_window() const noexcept {
    const std::int64_t number = loop::here().now() / (options_.window.count() / 10);
    tenth sum{number, 0, 0};
    for (const tenth& one : window_) {
        if (one.number < 0 || one.number <= number - 10) continue;
        sum.calls += one.calls;
        sum.failures += one.failures;
    }
    return sum;
}

bool circuit_breaker::should_open() const noexcept {
    if (options_.failures_in_a_row != 0 && in_a_row_ >= options_.failures_in_a_row) return true;
    if (options_.failure_rate == 0) return false;
    const tenth recent = in_window();
    return recent.calls >= options_.calls_min &&
           static_cast<double>(recent.failures) >=
               options_.failure_rate * static_cast<double>(recent.calls);
}

void circuit_breaker::change(circuit_state to) noexcept {
    const circuit_state from = std::exchange(state_, to);
    ++era_;
    probes_ = 0;
    probes_good_ = 0;
    if (to == circuit_state::open) {
        ++opened_;
        probe_at_ = rf::detail::after(options_.open_for.count());
    } else if (to == circuit_state::closed) {
        in_a_row_ = 0;
        window_.fill({});
    }
    if (listener_) listener_(from, to);
}

circuit_breaker_statistics circuit_breaker::statistics() const noexcept {
    circuit_breaker_statistics now{state_,  succeeded_, failed_, cancelled_, ignored_, refused_,
                                   opened_, in_a_row_,  0,       0,          probes_,  running_};
    if (loop::current() == nullptr) return now;
    const tenth recent = in_window();
    now.state = state();
    now.window_calls = recent.calls;
    now.window_failures = recent.failures;
    return now;
}

rf::error circuit_breaker::open_error() noexcept { return {"circuit breaker", ECONNREFUSED}; }

void circuit_breaker::refuse() const {
    const double left_ms = static_cast<double>(probe_at_ - loop::here().now()) / 1e6;
    RF_THROW(circuit_open(
        state_ == circuit_state::open
            ? fmt::format("{} is open; it probes in {:.0f} ms", identity_.text(), left_ms)
            : fmt::format("{} is half open, and its {} probes are under way", identity_.text(),
                          probes_),
        probe_at()));
}

}  // namespace rf::sync
