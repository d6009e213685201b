// SPDX-License-Identifier: MIT
#include <ringfence/sync/rate_limiter.hpp>

#include <ringfence/runtime/this_task.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace rf::sync {

namespace {
constexpr std::int64_t parts_max = std::int64_t{1} << 61;
}

rate_limited::rate_limited(rf::error why, std::string which, clock::time_point when)
    : io_error(why, std::move(which)), when_(when) {}

rate_limiter::rate_limiter(rate limit, std::source_location made)
    : rate_limiter(limit, detail::identity{"rate_limiter", made}) {}

rate_limiter::rate_limiter(rate limit, const detail::identity& which)
    : identity_(which), limit_(limit), level_(0) {
    const char* wrong = nullptr;
    if (limit.tokens < 1 || limit.tokens > parts_max)
        wrong = "it needs at least 1 token in a span, or nobody ever gets one";
    else if (limit.per.count() < 1)
        wrong = "the span has to be longer than nothing";
    else if (limit.burst < 1)
        wrong = "it has to keep at least 1 token, or nobody ever gets one";
    else if (limit.burst > parts_max / limit.per.count())
        wrong = "the burst times the span in nanoseconds must not exceed 2^61";
    if (wrong != nullptr)
        RF_THROW(std::invalid_argument(fmt::format("{}: {} tokens in {} ns and a burst of {}; {}",
                                                   identity_.text(), limit.tokens,
                                                   limit.per.count(), limit.burst, wrong)));
    level_ = size_of(limit_.burst);
    timer_.owner = this;
    timer_.on_fire = [](timer& fired) noexcept { static_cast<admit_timer&>(fired).owner->admit(); };
}

rate_limiter::~rate_limiter() {
    waiters_.require_empty(identity_);
    if (users_ != 0)
        detail::misused(identity_, "it was destroyed before an acquire() on it; it has to outlive "
                                   "what is done with it");
}

void rate_limiter::require(std::int64_t count) const {
    if (count >= 1 && count <= limit_.burst) [[likely]]
        return;
    RF_THROW(std::invalid_argument(
        count < 1 ? fmt::format("{}: {} tokens were asked for; ask for at least 1",
                                identity_.text(), count)
                  : fmt::format("{}: {} tokens were asked for, and it never keeps more than {}; "
                                "the wait would never end",
                                identity_.text(), count, limit_.burst)));
}

rate_limiter::parts rate_limiter::level_at(instant now) const noexcept {
    const parts full = size_of(limit_.burst);
    const instant passed = std::max<instant>(now - updated_, 0);
    // Compared by division: the product may not fit.
    if (passed >= (full - level_ + limit_.tokens - 1) / limit_.tokens) return full;
    return level_ + passed * limit_.tokens;
}

void rate_limiter::refill() noexcept {
    const instant now = loop::here().now();
    level_ = level_at(now);
    updated_ = now;
}

/// When the level will be `wanted`. As of the last refill.
instant rate_limiter::time_of(parts wanted) const noexcept {
    if (wanted <= level_) return updated_;
    const instant left = (wanted - level_ + limit_.tokens - 1) / limit_.tokens;
    return left > instant_never - updated_ ? instant_never : updated_ + left;
}

bool rate_limiter::take_now(parts wanted) noexcept {
    if (!waiters_.empty()) return false;
    refill();
    if (level_ < wanted) return false;
    level_ -= wanted;
    ++granted_;
    return true;
}

bool rate_limiter::too_late(parts wanted, instant& when) noexcept {
    const instant deadline = rf::detail::slot.current->scope->effective_deadline();
    if (deadline == instant_never) return false;
    refill();
    when = time_of(waited_for_ + wanted);
    if (when < deadline) return false;
    ++refused_;
    return true;
}

void rate_limiter::admit() noexcept {
    loop::here().timers().cancel(timer_);
    if (waiters_.empty()) return;
    refill();
    while (!waiters_.empty()) {
        auto& oldest = static_cast<acquire_awaiter&>(waiters_.front());
        const parts later = promised_ - oldest.seen_;  // taken by some who came after it
        if (level_ + later < oldest.wanted())
            return timer_.arm(std::min(time_of(oldest.wanted() - later), instant_never - 1));
        level_ -= oldest.wanted();
        waited_for_ -= oldest.wanted();
        ++granted_;
        ++delayed_;
        waiters_.pop(identity_).grant();
    }
}

void rate_limiter::give_back(parts amount, parts promised) noexcept {
    refill();
    level_ = std::min(level_ + amount, size_of(limit_.burst));
    promised_ -= promised;
    admit();
}

rate_limiter::acquire_awaiter rate_limiter::acquire(std::int64_t count) {
    require(count);
    return acquire_awaiter(*this, count);
}

bool rate_limiter::try_acquire(std::int64_t count) {
    require(count);
    const bool taken = take_now(size_of(count));
    if (!taken) ++refused_;
    return taken;
}

rate_limiter::reservation rate_limiter::reserve(std::int64_t count) {
    require(count);
    refill();
    const parts amount = size_of(count);
    if (level_ - waited_for_ < -parts_max)
        RF_THROW(std::invalid_argument(identity_.text() +
                                       ": more was reserved than can be counted; give some back"));
    const instant when = time_of(waited_for_ + amount);
    const parts promised = waiters_.empty() ? 0 : amount;
    level_ -= amount;
    promised_ += promised;
    ++granted_;
    if (when > updated_) ++delayed_;
    return {*this, amount, promised, when};
}

bool rate_limiter::is_full() const noexcept {
    return level_at(loop::here().now()) == size_of(limit_.burst);
}

rate_limiter_statistics rate_limiter::statistics() const noexcept {
    const loop* here = loop::current();
    const parts level = here == nullptr ? level_ : level_at(loop::here().now());
    const std::int64_t per = limit_.per.count();
    const std::int64_t whole = level >= 0 ? level / per : -((-level + per - 1) / per);
    return {waiters_.count(), whole, granted_, delayed_, refused_};
}

void rate_limiter::describe(wait_description& out, std::int64_t count) const {
    identity_.describe(out, "token", "let it through");
    out.what = fmt::format("{} of the tokens of {} ({} every {} ns)", count, identity_.text(),
                           limit_.tokens, limit_.per.count());
    out.object = this;
    out.owner = "the clock";
}

rf::error rate_limiter::late_error() noexcept { return {"rate limit", ETIMEDOUT}; }

void rate_limiter::refuse(instant when) const {
    const double wait_ms = static_cast<double>(when - loop::here().now()) / 1e6;
    RF_THROW(rate_limited(late_error(),
                          fmt::format("{}: the next token comes in {:.3f} ms, after the deadline",
                                      identity_.text(), wait_ms),
                          clock::time_point(clock::duration(when))));
}

}  // namespace rf::sync
