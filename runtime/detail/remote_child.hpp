// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/detail/callable.hpp>
#include <ringfence/runtime/detail/child.hpp>
#include <ringfence/runtime/detail/outcome.hpp>
#include <ringfence/runtime/detail/scope_node.hpp>
#include <ringfence/runtime/inbox.hpp>
#include <ringfence/runtime/shard.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

// A child on another shard is two tasks. At home, a child of the nursery like any other, whose only
// wait is a remote_call: so failure policies, limits, handles and the task tree need to know
// nothing. On the other shard a guest, which runs the function in a scope of its own. Between them
// go messages that live in the remote_call, that is in the frame at home:
//
//   home -> there   start; cancel, drain: at most once each
//   there -> home   the end, with the result; an answer to each cancel and drain
//
// The task at home goes on when it has as many answers as it has sent messages, as an operation
// retires when the kernel has answered all cancels (law 3). So a cancel may cross the end that it
// comes too late for, and nobody touches memory that is gone.

namespace rf::detail {

/// The part of a call on another shard that does not depend on what is called.
class remote_wait : public waiter {
public:
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept;
    [[nodiscard]] cancel_outcome cancel() noexcept override;
    void on_drain() noexcept override;
    void describe(wait_description& out) const override;
    void owners(wait_owners& out) const override { out.outside(); }

    /// Aborts unless `target` is a shard of the calling loop's run.
    static void check_target(shard target) noexcept;

    // For the guest, on its thread.

    /// The guest is gone with its frame and its arguments, and the result is in its place.
    void guest_gone() noexcept;
    /// Its scope is about to go.
    void guest_leaves() noexcept { guest_ = nullptr; }

protected:
    remote_wait(shard where_to, std::source_location where) noexcept
        : target_(shard_access::state(where_to)), where_(where) {}
    remote_wait(remote_wait&& other) noexcept
        : waiter(std::move(other)), target_(other.target_), where_(other.where_) {}
    ~remote_wait() = default;

    /// Makes the guest; on the other thread. What it throws, the call throws.
    virtual void make_guest() = 0;
    virtual void guest_failed(std::exception_ptr error) noexcept = 0;
    [[nodiscard]] virtual bool guest_was_cancelled() const noexcept = 0;

    [[nodiscard]] nursery_core& guests() const noexcept;
    [[nodiscard]] std::source_location where() const noexcept { return where_; }
    void guest_made(task_record& record, scope_node& scope) noexcept;

private:
    struct note : inbox_message {
        remote_wait* call = nullptr;
    };
    void send(note& what, void (*run)(inbox_message&) noexcept, const shard_state& to) noexcept;
    void order(note& what, void (*obey)(inbox_message&) noexcept) noexcept;
    static void begin(inbox_message& message) noexcept;
    static void obey_cancel(inbox_message& message) noexcept;
    static void obey_drain(inbox_message& message) noexcept;
    static void answered(inbox_message& message) noexcept;

    shard_state* target_;
    std::source_location where_;
    shard_state* home_ = nullptr;
    std::uint32_t answers_left_ = 0;  // home's
    bool drain_sent_ = false;         // home's
    scope_node* guest_ = nullptr;     // the other shard's; null before it is made and after its end
    std::atomic<std::uint64_t> guest_id_{0};
    note start_;  // goes out as the start and comes back as the end
    note cancel_;
    note drain_;
};

template <class T>
class remote_result : public remote_wait {
public:
    outcome<T> end;  // written there before the end is sent, read at home after

protected:
    using remote_wait::remote_wait;
    ~remote_result() = default;

private:
    void guest_failed(std::exception_ptr error) noexcept override {
        end = outcome<T>::failure(std::move(error));
    }
    [[nodiscard]] bool guest_was_cancelled() const noexcept override { return end.cancelled(); }
};

/// What a guest has beside its record: the way back.
template <class T>
struct guest_extra {
    scope_node scope;  // its own, so that it can be cancelled alone
    remote_result<T>* call = nullptr;

    explicit guest_extra(std::source_location where) noexcept : scope(scope_kind::scope, where) {}
    guest_extra(const guest_extra&) = delete;
    guest_extra& operator=(const guest_extra&) = delete;
    /// Runs after the frame, the callable and its arguments have been destroyed.
    ~guest_extra() {
        if (call != nullptr) call->guest_gone();
    }

    bool child_ended(promise<T>* done, bool failed) noexcept {
        if (failed)
            call->end = outcome<T>::failure(std::move(done->error()));
        else if (done != nullptr) {
            if constexpr (std::is_void_v<T>)
                call->end = outcome<T>::success(unit{});
            else
                call->end = outcome<T>::success(std::move(done->value));
        }
        return true;
    }
    [[nodiscard]] static bool keep() noexcept { return false; }
    void leave_scope() noexcept {
        call->guest_leaves();
        scope.leave();
    }
};

/// `co_await remote_call(shard, where, work)`: runs it there.
template <class F, class... Args>
class [[nodiscard]] remote_call final : public remote_result<call_result<F, Args...>> {
    using result = call_result<F, Args...>;
    static_assert(!std::is_reference_v<result>,
                  "a child on another shard cannot return a reference: it would point into what "
                  "belongs to another thread");

public:
    remote_call(shard target, std::source_location where, std::tuple<F, Args...>&& work)
        : remote_result<result>(target, where), work_(std::move(work)) {}
    remote_call(remote_call&&) = default;

    result await_resume() { return this->end.take(); }

private:
    void make_guest() override {
        auto* made = std::apply(
            [&](F& fn, Args&... args) {
                return make_child<guest_extra<result>>(this->where(), std::move(fn),
                                                       std::move(args)...);
            },
            work_);
        using type = std::remove_reference_t<decltype(*made)>;
        record_guard<type> undo{made};
        auto* first = task_access::release(made->call());
        undo.owned = nullptr;
        made->extra.call = this;
        made->extra.scope.attach(&this->guests().scope(), nullptr);
        launch(*made, first, this->guests(), made->extra.scope, false);
        this->guest_made(*made, made->extra.scope);
    }

    std::tuple<F, Args...> work_;  // moved from there, by the other thread
};

/// What says of itself, by a member type, that it belongs to one loop.
template <class T>
concept stays_on_its_loop = requires { typename T::bound_to_loop; };

/// What nursery::spawn_on spawns at home.
template <class F, class... Args>
struct remote_work {
    static_assert(!(stays_on_its_loop<Args> || ...),
                  "what belongs to a loop cannot go to another shard: a connection travels as an "
                  "rf::io::descriptor_in_flight, from accept_descriptor() or release()");
    static_assert(!stays_on_its_loop<call_result<F, Args...>>,
                  "what belongs to a loop cannot come back from another shard: return "
                  "stream.release()");

    shard target;
    std::source_location where;
    std::tuple<F, Args...> work;

    remote_call<F, Args...> operator()() {
        return remote_call<F, Args...>(target, where, std::move(work));
    }
};

}  // namespace rf::detail
