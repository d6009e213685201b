// SPDX-License-Identifier: MIT
#include <ringfence/runtime/offload.hpp>

#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/offload_pool.hpp>
#include <ringfence/runtime/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <thread>

namespace rf {

void configure_offload(const offload_options& options) {
    loop::here().service<detail::offload_pool>().set_threads_max(options.threads_max);
}

namespace detail {

void offload_wait::await_suspend(std::coroutine_handle<>) noexcept {
    if (!enter()) return;
    loop& owner = loop::here();
    pool_ = &owner.service<offload_pool>();
    inbox_message::run = [](inbox_message& message) noexcept {
        static_cast<offload_job&>(message).finished();
    };
    owner.expect_post();
    ++owner.counters().offload_jobs;
    failure_ = pool_->submit(*this);
    if (failure_ != 0) finished();
}

void offload_wait::finished() noexcept {
    loop& owner = pool_->owner();
    owner.post_arrived();
    --owner.counters().offload_jobs;
    resume();
}

cancel_outcome offload_wait::cancel() noexcept {
    if (pool_->withdraw(*this)) {
        loop& owner = pool_->owner();
        owner.post_arrived();
        --owner.counters().offload_jobs;
        return cancel_outcome::removed;
    }
    stop_asked_ = request_stop();
    return stop_asked_ ? cancel_outcome::pending : cancel_outcome::refused;
}

void offload_wait::describe(wait_description& out) const {
    const bool begun = running();
    out.kind = "offload";
    out.what = name_ != nullptr ? fmt::format("the blocking call \"{}\"", name_)
                                : fmt::format("a blocking call (from {})", to_string(where_));
    out.what += begun ? ", running" : ", queued";
    if (stop_asked_) out.what += ", asked to stop";
    out.object = this;
    out.owner = begun ? "a thread of the offload pool" : "the offload pool, once a thread is free";
    out.cancellable = !begun || stop_asked_;
}

void offload_wait::check_started() const {
    if (failure_ != 0)
        throw_error(error("start a thread for a blocking call", failure_),
                    name_ != nullptr ? name_ : "");
}

}  // namespace detail
}  // namespace rf
