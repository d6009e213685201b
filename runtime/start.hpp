// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/child.hpp>
#include <ringfence/runtime/detail/nursery_core.hpp>
#include <ringfence/runtime/detail/outcome.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <optional>
#include <source_location>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace rf {

/// A child that was to say that it had started ended without a word.
class start_error : public std::runtime_error {
public:
    start_error()
        : std::runtime_error(
              "a child given to nursery::start ended before it said that it had started; call "
              "started() in it once it is ready") {}
};

namespace detail {

template <class T>
class start_wait : public waiter {
public:
    outcome<T> said;  // cancelled until something is said

    void end_wait() noexcept { resume(); }
    void end_cancelled() noexcept { unwind(); }
    [[nodiscard]] bool cancel_asked() const noexcept { return cancel_asked_; }

protected:
    start_wait() noexcept = default;
    start_wait(start_wait&&) noexcept = default;
    ~start_wait() = default;
    bool cancel_asked_ = false;
};

/// Shared by the child's `started` and its record; `wait` is null once the starter has gone on.
template <class T>
struct start_link {
    start_wait<T>* wait = nullptr;
    std::uint32_t holders = 0;

    static void release(start_link* link) noexcept {
        if (link != nullptr && --link->holders == 0) delete link;
    }
};

}  // namespace detail

/// Given to a child of nursery::start as its first argument; the child calls it once, when it is
/// ready: `started(port)`, or `started()` for void. Movable. Threads: one loop.
template <class T = void>
class started {
public:
    explicit started(detail::start_link<T>* link) noexcept : link_(link) { ++link_->holders; }
    started(started&& other) noexcept : link_(std::exchange(other.link_, nullptr)) {}
    started& operator=(started&&) = delete;
    ~started() { detail::start_link<T>::release(link_); }

    /// The child is ready. Calls after the first change nothing.
    template <class... Value>
    void operator()(Value&&... value) {
        static_assert(sizeof...(Value) == (std::is_void_v<T> ? 0 : 1),
                      "started<T> takes the one value that start<T> returns");
        if (link_ == nullptr || link_->wait == nullptr || link_->wait->cancel_asked()) return;
        detail::start_wait<T>& wait = *std::exchange(link_->wait, nullptr);
        if constexpr (std::is_void_v<T>)
            wait.said = detail::outcome<T>::success(unit{});
        else
            wait.said = detail::outcome<T>::success(T(std::forward<Value>(value)...));
        wait.end_wait();
    }

private:
    detail::start_link<T>* link_;
};

namespace detail {

template <class T>
struct start_extra {
    scope_node scope;
    start_link<T>* link = nullptr;

    explicit start_extra(std::source_location where) noexcept : scope(scope_kind::scope, where) {}
    start_extra(const start_extra&) = delete;
    start_extra& operator=(const start_extra&) = delete;
    ~start_extra() { start_link<T>::release(link); }

    template <class R>
    bool child_ended(promise<R>* done, bool failed) noexcept {
        if (link->wait == nullptr) return false;  // it had started: an ordinary child since
        start_wait<T>& wait = *std::exchange(link->wait, nullptr);
        if (wait.cancel_asked()) {
            wait.end_cancelled();
            return false;
        }
        if (failed) wait.said = outcome<T>::failure(done->error());
        wait.end_wait();
        return failed;
    }
    [[nodiscard]] static bool keep() noexcept { return false; }
    void leave_scope() noexcept { scope.leave(); }
};

/// `co_await nursery.start<T>(fn, args...)`.
template <class T, class F, class... Args>
class [[nodiscard]] start_awaiter final : public start_wait<T> {
public:
    template <class... Given>
    start_awaiter(nursery_core& home, std::source_location where, Given&&... given)
        : home_(home), where_(where), work_(std::forward<Given>(given)...) {}
    start_awaiter(start_awaiter&&) = default;

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) {
        if (this->cancel_requested())
            (void)this->enter();
        else
            launch_child();
    }
    T await_resume() {
        child_scope_ = nullptr;
        if (this->said.cancelled()) RF_THROW(start_error());
        return this->said.take();
    }
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        this->cancel_asked_ = true;
        child_scope_->cancel(cancel_cause::parent, "its starter was cancelled", where_);
        return cancel_outcome::pending;
    }
    void describe(wait_description& out) const override {
        out.kind = "start";
        out.what = "a child to say that it has started";
        out.object = child_scope_;
        out.owner_task = child_id_;
    }
    void owners(wait_owners& out) const override { out.holder(child_id_); }

private:
    void launch_child() {
        home_.check_open();
        std::apply(
            [this](F& fn, Args&... args) {
                using result = typename std::invoke_result_t<F, started<T>, Args...>::value_type;
                auto* made = make_child_of<start_extra<T>, result>(where_, std::move(fn),
                                                                   std::move(args)...);
                using type = std::remove_reference_t<decltype(*made)>;
                record_guard<type> undo{made};
                auto* link = new start_link<T>{this, 1};
                made->extra.link = link;
                auto* first = task_access::release(made->call(started<T>(link)));
                // Only now, for the function may throw, and may cancel the scope that waits.
                if (!this->enter()) {
                    first->handle().destroy();
                    return;
                }
                undo.owned = nullptr;
                child_scope_ = &made->extra.scope;
                child_scope_->attach(&home_.scope(), nullptr);
                launch(*made, first, home_, *child_scope_, false);
                child_id_ = made->id;
            },
            work_);
    }

    nursery_core& home_;
    std::source_location where_;
    scope_node* child_scope_ = nullptr;
    std::uint64_t child_id_ = 0;
    std::tuple<F, Args...> work_;
};

/// `co_await nursery.wait_for_place()`.
class [[nodiscard]] place_awaiter final : public spawn_waiter {
public:
    explicit place_awaiter(nursery_core& home) noexcept : home_(home) {}
    [[nodiscard]] bool await_ready() const noexcept {
        return !cancel_requested() && home_.has_room();
    }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (enter()) home_.wait_for_room(*this);
    }
    void await_resume() const noexcept {}
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        unlink();
        return cancel_outcome::removed;
    }
    void start_now() override { resume(); }
    void describe(wait_description& out) const override { describe_wait(home_, out); }
    void owners(wait_owners& out) const override { out.any_child(home_); }

private:
    nursery_core& home_;
};

/// `co_await nursery.spawn_when_free(fn, args...)`.
template <class F, class... Args>
class [[nodiscard]] spawn_awaiter final : public spawn_waiter {
public:
    template <class... Given>
    spawn_awaiter(nursery_core& home, std::source_location where, Given&&... given)
        : home_(home), where_(where), work_(std::forward<Given>(given)...) {}
    spawn_awaiter(spawn_awaiter&&) = default;

    [[nodiscard]] bool await_ready() {
        if (cancel_requested() || !home_.has_room()) return false;
        spawn();
        return true;
    }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (enter()) home_.wait_for_room(*this);
    }
    void await_resume() {
#if RF_EXCEPTIONS
        if (error_ != nullptr) std::rethrow_exception(std::move(error_));
#endif
    }
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        unlink();
        return cancel_outcome::removed;
    }
    void start_now() override {
        RF_TRY { spawn(); }
        RF_CATCH(...) {
#if RF_EXCEPTIONS
            error_ = std::current_exception();
            this->place_unused = true;
#endif
        }
        resume();
    }
    void describe(wait_description& out) const override { describe_wait(home_, out); }
    void owners(wait_owners& out) const override { out.any_child(home_); }

private:
    void spawn() {
        home_.check_not_draining();
        std::apply(
            [this](F& fn, Args&... args) {
                start_child<no_extra>(home_, home_.scope(), where_, false, std::move(fn),
                                      std::move(args)...);
            },
            work_);
    }

    nursery_core& home_;
    std::source_location where_;
    std::tuple<F, Args...> work_;
    std::exception_ptr error_;
};

}  // namespace detail
}  // namespace rf
