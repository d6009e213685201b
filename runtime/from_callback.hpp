// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/completer.hpp>
#include <ringfence/runtime/detail/callback_state.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <concepts>
#include <coroutine>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace rf {

namespace detail {

template <class T, class Start>
class [[nodiscard]] callback_awaiter final : public callback_wait {
public:
    using canceller = std::invoke_result_t<Start&, completer<T>>;
    static constexpr bool can_cancel = !std::is_void_v<canceller>;

    explicit callback_awaiter(Start start) : start_(std::move(start)) {}
    callback_awaiter(callback_awaiter&& other)
        : callback_wait(std::move(other)), start_(std::move(other.start_)) {}
    ~callback_awaiter() { drop(); }

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) {
        if (!enter()) return;
        RF_TRY {
            state_ = new callback_state<T>(*this, loop::here());
            call_start();
        }
        RF_CATCH(...) {
#if RF_EXCEPTIONS
            thrown_ = std::current_exception();
            if (state_ != nullptr) {
                // If it was completed, or its completers dropped, the message cannot be called
                // back: the wait goes on until it has come.
                if (!state_->claim()) return;
                loop::here().post_arrived();
            }
            abandon();
            throw;
#endif
        }
    }
    T await_resume() {
#if RF_EXCEPTIONS
        if (thrown_ != nullptr) std::rethrow_exception(std::move(thrown_));
#endif
        // Taken here, so that the value does not die on another thread with the last completer.
        outcome<T> end = std::move(state_->result);
        if (end.cancelled()) RF_THROW(broken_callback());
        return end.take();
    }
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        cancel_asked_ = true;
        if constexpr (can_cancel) {
            // One that has completed has nothing left to cancel; its message ends the wait.
            if (cancel_ && !state_->completed()) std::invoke(*cancel_);
        }
        return cancel_outcome::pending;
    }
    void describe(wait_description& out) const override {
        out.kind = "callback";
        out.what = "a callback to be called";
        out.object = state_;
        out.owner = "whoever holds the completer";
        out.cancellable = can_cancel;
    }

private:
    struct no_canceller {};
    using kept = std::conditional_t<can_cancel, std::optional<canceller>, no_canceller>;

    void call_start() {
        if constexpr (can_cancel)
            cancel_.emplace(std::invoke(start_, completer<T>(*state_)));
        else
            std::invoke(start_, completer<T>(*state_));
    }
    void completed(bool without_effect) noexcept override {
        if (without_effect && cancel_asked_ && thrown_ == nullptr)
            unwind();
        else
            resume();
    }
    void drop() noexcept {
        if (state_ != nullptr) std::exchange(state_, nullptr)->release();
    }

    Start start_;
    [[no_unique_address]] kept cancel_;
    callback_state<T>* state_ = nullptr;
    std::exception_ptr thrown_;
    bool cancel_asked_ = false;
};

}  // namespace detail

/// Waits for a callback: calls `start(completer<T>)`, which hands the completer to an API that
/// calls back, and returns what that is completed with, from whichever thread.
///
///     int answer = co_await rf::from_callback<int>([&](rf::completer<int> done) {
///         request r = api.ask(question, [done](int n) { done.complete(n); });
///         return [r] { r.cancel(); };            // optional: how to cancel
///     });
///
/// `start` runs in the task, when awaited. `start` and what it returned live until the wait is
/// over.
///
/// Cancellation: a cancel point. If `start` returned a function, a cancel calls it, once, on the
///   loop's thread; it must not throw, and may come while another thread completes. Without one the
///   wait cannot be cancelled. Either way the scope stays open until the completer has been
///   completed or dropped: a value or a failure that comes after the cancel still counts; completed
///   with cancelled(), or dropped, after a cancel, the task unwinds.
/// Errors: what `start` throws (it wins over a completion); what fail() was given; broken_callback
///   if the last completer is dropped, or says cancelled() without having been asked to.
/// Cost: one allocation. Completing from another thread costs at most one write to an eventfd.
template <class T = void, class Start>
    requires std::invocable<Start&, completer<T>>
[[nodiscard]] detail::callback_awaiter<T, Start> from_callback(Start start) {
    return detail::callback_awaiter<T, Start>(std::move(start));
}

}  // namespace rf
