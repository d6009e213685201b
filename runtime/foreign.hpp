// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/inbox.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <atomic>
#include <coroutine>
#include <exception>
#include <type_traits>
#include <utility>

namespace rf::detail {

/// The handle that a foreign awaitable is given in place of the task's own: resuming it queues the
/// task on its loop, from whichever thread. It is laid out as both GCC and Clang lay out the head
/// of a coroutine frame (the resume function, the destroy function), so that it can be addressed by
/// a coroutine_handle without an allocation.
struct foreign_frame {
    void (*resume)(foreign_frame*) = nullptr;
    void (*destroy)(foreign_frame*) = nullptr;

    [[nodiscard]] std::coroutine_handle<> handle() noexcept {
        return std::coroutine_handle<>::from_address(this);
    }
};

/// Awaits an awaitable that knows nothing of ringfence.
///
/// It cannot be cancelled: a cancelled scope stays open until it is done, and the task tree shows
/// the wait as foreign. Its await_suspend gets a plain std::coroutine_handle<>, which may be
/// resumed once, from any thread. What await_suspend throws is thrown at the co_await: at once, or,
/// if the handle has been resumed all the same, when the task goes on. After a throw the handle
/// must not be resumed.
template <class Awaiter>
class foreign_awaiter final : public waiter, foreign_frame, inbox_message {
public:
    template <class Make>
    explicit foreign_awaiter(Make&& make) : awaiter_(make()), owner_(&loop::here()) {
        foreign_frame::resume = [](foreign_frame* self) {
            static_cast<foreign_awaiter*>(self)->arrive();
        };
        foreign_frame::destroy = [](foreign_frame*) {
            RF_ASSERT(
                false,
                "a foreign awaitable destroyed the handle it was given; it may only resume it");
        };
        inbox_message::run = [](inbox_message& self) noexcept {
            static_cast<foreign_awaiter&>(self).finish();
        };
    }

    [[nodiscard]] bool await_ready() {
        return !cancel_requested() && static_cast<bool>(awaiter_.await_ready());
    }

    void await_suspend(std::coroutine_handle<>) {
        if (!enter()) return;
        owner_->expect_post();
        RF_TRY { start(); }
        RF_CATCH(...) {
#if RF_EXCEPTIONS
            if (over_.exchange(true)) {
                // Resumed already: the task is queued, or a message that queues it is on its way.
                error_ = std::current_exception();
                return;
            }
            owner_->post_arrived();
            abandon();
            throw;
#endif
        }
    }

    decltype(auto) await_resume() {
#if RF_EXCEPTIONS
        if (error_ != nullptr) std::rethrow_exception(std::move(error_));
#endif
        return awaiter_.await_resume();
    }

    [[nodiscard]] cancel_outcome cancel() noexcept override { return cancel_outcome::refused; }
    void describe(wait_description& out) const override {
        out.kind = "foreign";
        out.what = "an awaitable that is not of ringfence";
        out.cancellable = false;
    }
    void owners(wait_owners& out) const override { out.outside(); }

private:
    void start() {
        using returned = decltype(awaiter_.await_suspend(handle()));
        if constexpr (std::is_void_v<returned>) {
            awaiter_.await_suspend(handle());
        } else if constexpr (std::is_same_v<returned, bool>) {
            if (!awaiter_.await_suspend(handle())) arrive();
        } else {
            // It wants another coroutine to run first: one that is not ours, so it runs here.
            std::coroutine_handle<> other = awaiter_.await_suspend(handle());
            if (other.address() == handle().address())
                arrive();
            else if (other != std::noop_coroutine())
                other.resume();
        }
    }
    void arrive() noexcept {
        const bool again = over_.exchange(true);
        RF_ASSERT(!again, "a foreign awaitable resumed its handle twice, or after it threw");
        if (loop::current() == owner_)
            finish();
        else
            owner_->post(*this);
    }
    void finish() noexcept {
        owner_->post_arrived();
        waiter::resume();
    }

    Awaiter awaiter_;
    loop* owner_;
    std::atomic<bool> over_ = false;  // resumed, or given up by a throw: whichever came first
    std::exception_ptr error_;        // thrown after the handle had been resumed
};

}  // namespace rf::detail
