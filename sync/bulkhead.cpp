// SPDX-License-Identifier: MIT
#include <ringfence/sync/bulkhead.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <stdexcept>

namespace rf::sync {

bulkhead_full::bulkhead_full(std::string which)
    : io_error(rf::error("bulkhead", EBUSY), std::move(which)) {}

bulkhead::bulkhead(bulkhead_options options, std::source_location made)
    : identity_{"bulkhead", made}, options_(options) {
    if (options.concurrent < 1 || options.queue < 0)
        RF_THROW(std::invalid_argument(fmt::format(
            "{}: {} calls at a time and {} that wait; it needs at least 1 and 0, or no call can "
            "ever run",
            identity_.text(), options.concurrent, options.queue)));
}

bulkhead::~bulkhead() {
    waiters_.require_empty(identity_);
    if (running_ != 0)
        detail::misused(identity_, fmt::format("it was destroyed while {} of its calls run; it has "
                                               "to outlive them",
                                               running_)
                                       .c_str());
}

bool bulkhead::take() noexcept {
    if (running_ >= options_.concurrent || !waiters_.empty()) return false;
    ++running_;
    ++admitted_;
    return true;
}

bool bulkhead::refuses() noexcept {
    if (waiting_ < options_.queue) return false;
    ++refused_;
    return true;
}

bulkhead::place bulkhead::try_enter() noexcept {
    if (take()) return place(*this);
    ++refused_;
    return {};
}

/// The place goes to the oldest who waits, if any.
void bulkhead::leave() noexcept {
    if (waiters_.empty()) {
        --running_;
        return;
    }
    --waiting_;
    ++admitted_;
    waiters_.pop(identity_).grant();
}

void bulkhead::describe(wait_description& out) const {
    identity_.describe(out, "place", "have a place");
    out.what =
        fmt::format("a place in {} ({} running, {} waiting)", identity_.text(), running_, waiting_);
    out.object = this;
    out.owner = "the calls that run in it";
}

result<bulkhead::place> bulkhead::enter_awaiter::await_result() const {
    if (refused_) return full_error();
    return place(*owner_);
}

rf::error bulkhead::full_error() noexcept { return {"bulkhead", EBUSY}; }

void bulkhead::refuse() const {
    RF_THROW(
        bulkhead_full(fmt::format("{} has {} calls running and {} waiting, as many as it takes",
                                  identity_.text(), running_, waiting_)));
}

}  // namespace rf::sync
