// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/child.hpp>
#include <ringfence/runtime/detail/nursery_core.hpp>
#include <ringfence/runtime/detail/outcome.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <source_location>
#include <string_view>
#include <utility>

namespace rf {

namespace detail {

struct join_access;

/// What a join_handle and its child share. Lives in the child's record, which stays until both
/// have let go.
template <class T>
struct join_state {
    outcome<T> result;
    scope_node scope;  // the child's own, so that it can be cancelled alone
    class join_awaiter_base* joiner = nullptr;
    task_record* record = nullptr;
    void (*free_record)(task_record*) noexcept = nullptr;
    failure_policy policy = failure_policy::fail_fast;
    std::uint64_t id = 0;
    bool ended = false;
    bool handle_alive = true;
    bool read = false;

    explicit join_state(std::source_location where) noexcept : scope(scope_kind::scope, where) {}
};

class join_awaiter_base : public waiter {
public:
    void child_ended() noexcept { resume(); }

protected:
    join_awaiter_base() noexcept = default;
    join_awaiter_base(join_awaiter_base&&) noexcept = default;  // before it is awaited
    ~join_awaiter_base() = default;
};

template <class T>
class [[nodiscard]] join_awaiter final : public join_awaiter_base {
public:
    using selectable = void;

    explicit join_awaiter(join_state<T>& state) noexcept : state_(state) {
        RF_ASSERT(!state.read, "a join_handle was awaited twice; its result was moved out before");
    }

    [[nodiscard]] bool await_ready() const noexcept { return !cancel_requested() && state_.ended; }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (enter()) start();
    }
    void start() noexcept {
        RF_ASSERT(state_.joiner == nullptr, "two tasks await one join_handle");
        state_.joiner = this;
    }
    T await_resume() {
        state_.joiner = nullptr;
        state_.read = true;
        if (state_.result.cancelled())
            RF_THROW(cancelled_error("the child was cancelled and has no result: " +
                                         std::string(to_string(state_.scope.cause())),
                                     state_.scope.cause()));
        return state_.result.take();
    }
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        state_.joiner = nullptr;
        return cancel_outcome::removed;
    }
    void describe(wait_description& out) const override {
        out.kind = "join";
        out.what = "the result of task " + std::to_string(state_.id);
        out.object = &state_;
        out.owner = "task " + std::to_string(state_.id);
        out.owner_task = state_.id;
    }
    void owners(wait_owners& out) const override { out.task(state_.id); }

private:
    join_state<T>& state_;
};

template <class T>
struct async_extra {
    join_state<T> state;
    explicit async_extra(std::source_location where) noexcept : state(where) {}

    bool child_ended(promise<T>* done, bool failed) noexcept {
        if (failed)
            state.result = outcome<T>::failure(done->error());
        else if (done != nullptr) {
            if constexpr (std::is_void_v<T>)
                state.result = outcome<T>::success(unit{});
            else
                state.result = outcome<T>::success(std::move(done->value));
        }
        state.ended = true;
        if (state.joiner != nullptr) std::exchange(state.joiner, nullptr)->child_ended();
        return state.policy != failure_policy::fail_fast && state.handle_alive;
    }
    [[nodiscard]] bool keep() const noexcept { return state.handle_alive; }
    void leave_scope() noexcept { state.scope.leave(); }
};

/// A failure that nobody read: printed, so that it is not lost.
void report_unread_failure(std::uint64_t task_id, const std::exception_ptr& error) noexcept;

}  // namespace detail

/// The right to the result of a child started with nursery::async.
///
///     auto sum = jobs.async(add, 1, 2);
///     int three = co_await sum;
///
/// Await it once. The child is the nursery's, not the handle's: dropping the handle leaves the
/// child running and drops its result. A child that was cancelled gives cancelled_error. Lifetime:
/// may outlive the nursery. Threads: one loop.
template <class T>
class [[nodiscard]] join_handle {
public:
    join_handle() noexcept = default;
    join_handle(join_handle&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    join_handle& operator=(join_handle&& other) noexcept {
        join_handle old(std::move(*this));
        state_ = std::exchange(other.state_, nullptr);
        return *this;
    }
    ~join_handle() {
        if (state_ == nullptr) return;
        RF_ASSERT(state_->joiner == nullptr, "a join_handle was destroyed while a task awaits it");
        state_->handle_alive = false;
        if (!state_->ended) return;
        if (!state_->read && state_->policy != failure_policy::fail_fast && state_->result.failed())
            detail::report_unread_failure(state_->id, state_->result.error());
        state_->free_record(state_->record);
    }

    /// Waits for the child: its value, or its exception.
    [[nodiscard]] detail::join_awaiter<T> operator co_await() const noexcept {
        RF_ASSERT(state_ != nullptr, "an empty join_handle was awaited");
        return detail::join_awaiter<T>(*state_);
    }

    /// Cancels this child alone.
    void cancel(std::string_view reason = {},
                std::source_location where = std::source_location::current()) noexcept {
        if (state_ != nullptr && !state_->ended)
            state_->scope.cancel(cancel_cause::requested, reason, where);
    }
    [[nodiscard]] bool ended() const noexcept { return state_ != nullptr && state_->ended; }
    [[nodiscard]] std::uint64_t id() const noexcept { return state_ != nullptr ? state_->id : 0; }
    [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

private:
    friend struct detail::join_access;
    explicit join_handle(detail::join_state<T>* state) noexcept : state_(state) {}

    detail::join_state<T>* state_ = nullptr;
};

// Implementation

namespace detail {

struct join_access {
    template <class T>
    static join_handle<T> make(join_state<T>& state) noexcept {
        return join_handle<T>(&state);
    }
};

template <class F, class... Args>
auto start_async(nursery_core& home, std::source_location where, F&& fn, Args&&... args) {
    using result = call_result<std::decay_t<F>, std::decay_t<Args>...>;
    auto* made =
        make_child<async_extra<result>>(where, std::forward<F>(fn), std::forward<Args>(args)...);
    using type = std::remove_reference_t<decltype(*made)>;
    record_guard<type> undo{made};
    auto* first = task_access::release(made->call());
    undo.owned = nullptr;
    join_state<result>& state = made->extra.state;
    state.record = made;
    state.free_record = [](task_record* record) noexcept { delete static_cast<type*>(record); };
    state.policy = home.policy();
    state.scope.attach(&home.scope(), nullptr);
    launch(*made, first, home, state.scope, false);
    state.id = made->id;
    return join_access::make(state);
}

}  // namespace detail
}  // namespace rf
