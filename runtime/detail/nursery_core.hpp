// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/runtime/detail/owned.hpp>
#include <ringfence/runtime/detail/scope_node.hpp>
#include <ringfence/runtime/frame_pool.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rf {

/// What a nursery does when a child fails.
enum class failure_policy : std::uint8_t {
    fail_fast,  // cancels the others at once; the first failure is thrown when all are gone
    isolate,    // the child's failure is its own; a handler hears of it, the others go on
    collect,    // all run to their end; then the first failure is thrown
};
inline constexpr failure_policy fail_fast = failure_policy::fail_fast;
inline constexpr failure_policy isolate = failure_policy::isolate;
inline constexpr failure_policy collect = failure_policy::collect;

/// One child's failure.
struct child_failure {
    std::exception_ptr error;
    std::uint64_t task_id = 0;
    const char* name = nullptr;
    std::source_location spawned;

    /// "task 12 (spawned at a.cpp:3) failed: <what>".
    [[nodiscard]] std::string describe() const;
};

struct nursery_options {
    failure_policy on_failure = failure_policy::fail_fast;
    std::uint32_t limit = 0;     // children at a time; 0: any number
    const char* name = nullptr;  // for the task tree; must outlive the nursery
    /// Children may still start while it drains: for work that had been taken on before.
    bool spawn_while_draining = false;
    /// If set, every failure is appended here in the order of time, and none is thrown.
    std::vector<child_failure>* failures = nullptr;
};

/// What a nursery has seen.
struct nursery_statistics {
    std::uint64_t live = 0;
    std::uint64_t services_live = 0;
    std::uint64_t started = 0;
    std::uint64_t failed = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t waiting_to_spawn = 0;
};

/// spawn() on a nursery that is draining.
class nursery_closed : public std::runtime_error {
public:
    explicit nursery_closed(std::source_location opened);
};

/// spawn() on a nursery that has as many children as its limit allows, or a queue for a place.
class nursery_full : public std::runtime_error {
public:
    nursery_full(std::uint32_t limit, std::source_location opened);
};

class nursery;

namespace detail {

class nursery_core;

/// Waits for a place in a nursery with a limit; the nursery itself starts the child.
class spawn_waiter : public waiter, public list_hook {
public:
    virtual void start_now() = 0;
    /// Set by start_now() if it could start nothing: the place is the next one's.
    bool place_unused = false;

protected:
    static void describe_wait(const nursery_core& home, wait_description& out);
    spawn_waiter() noexcept = default;
    spawn_waiter(spawn_waiter&&) noexcept : waiter(), list_hook() {}
    ~spawn_waiter() = default;
};

/// The scope of a nursery's services. Few have any, so it is made for the first one, by the pool
/// that makes tasks.
class services_scope final : public scope_node {
public:
    explicit services_scope(std::source_location opened) noexcept
        : scope_node(scope_kind::services, opened) {}
    [[nodiscard]] static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
    static void operator delete(void* block, std::size_t size) noexcept {
        frame_pool::release(block, size);
    }
};

/// The part of a nursery that does not depend on what its children are.
class nursery_core {
public:
    nursery_core(const nursery_options& options, std::source_location opened) noexcept;
    nursery_core(const nursery_core&) = delete;
    nursery_core& operator=(const nursery_core&) = delete;
    ~nursery_core();

    /// Cancels the body and all children. The first reason stays.
    void cancel(std::string_view reason = {},
                std::source_location where = std::source_location::current()) noexcept {
        scope_.cancel(cancel_cause::requested, reason, where);
    }

    /// The soft stop: no new children, this_task::draining() turns true for all, and what is left
    /// after `grace` is cancelled; a report of who was left goes to standard error.
    template <class Rep, class Period>
    void drain(std::chrono::duration<Rep, Period> grace) noexcept {
        drain_for(to_nanoseconds(grace));
    }
    void drain() noexcept;

    /// Hears of each failed child under `isolate`, and under the others of each failure after the
    /// first, the body's among them. Without a handler they are printed to standard error, unless
    /// nursery_options::failures takes them. Runs in the loop, outside any task; must not throw.
    void on_child_failure(std::function<void(const child_failure&)> handler);

    [[nodiscard]] bool cancelled() const noexcept { return scope_.cancelled(); }
    [[nodiscard]] bool draining() const noexcept { return scope_.draining(); }
    /// Children alive, services not counted.
    [[nodiscard]] std::uint64_t size() const noexcept { return started_ - settled_; }
    [[nodiscard]] nursery_statistics statistics() const noexcept;
    /// Failures so far, oldest first, except isolated ones.
    [[nodiscard]] const std::vector<child_failure>& failures() const noexcept { return failures_; }
    [[nodiscard]] const char* name() const noexcept { return options_.name; }

    // For the machinery.

    /// Places the nursery below `parent`; `host` is the task that opened it.
    void open(scope_node* parent, task_record* host) noexcept;
    /// The body has ended: services go when the others have.
    void close_body(std::exception_ptr error) noexcept;
    [[nodiscard]] bool idle() const noexcept { return size() == 0 && services_live_ == 0; }
    /// Takes the scopes out of the tree. Only when idle.
    void finish() noexcept;
    /// What has to be thrown at the end, or null.
    [[nodiscard]] std::exception_ptr take_failure() noexcept;

    [[nodiscard]] scope_node& scope() noexcept { return scope_; }
    [[nodiscard]] const scope_node& scope() const noexcept { return scope_; }
    [[nodiscard]] scope_node& services() {
        if (services_ == nullptr) make_services();
        return *services_;
    }
    [[nodiscard]] failure_policy policy() const noexcept { return options_.on_failure; }
    [[nodiscard]] local_binding* locals() const noexcept { return locals_; }
    /// The leak guard of the task that opened it, for children that no task starts.
    [[nodiscard]] std::uint32_t guard() const noexcept { return guard_; }

    void child_started(bool service) noexcept {
        ++started_;
        if (service) [[unlikely]] {
            ++settled_;
            ++services_live_;
        }
    }
    struct child_end {
        std::uint64_t id;
        const char* name;
        std::source_location spawned;
        bool service;
        std::exception_ptr error;  // null: none, or taken by somebody else
        bool failed;               // false: unwound
    };
    /// A child has failed or was unwound.
    void child_ended(child_end&& end) noexcept;
    /// A child has ended well, as nearly all do.
    void child_returned(bool service) noexcept {
        --slot.owner->counters().tasks_live;
        if (service) [[unlikely]]
            --services_live_;
        else
            ++settled_;
        if ((size() == 0 && body_ended_) || !waiting_.empty()) [[unlikely]]
            child_gone();
    }

    [[nodiscard]] bool has_room() const noexcept {
        return options_.limit == 0 || (size() < options_.limit && waiting_.empty());
    }
    /// Whether a drain keeps new children out.
    [[nodiscard]] bool closed_to_children() const noexcept {
        return scope_.draining() && !options_.spawn_while_draining;
    }
    void check_open() const {
        if (scope_.draining() || options_.limit != 0) [[unlikely]]
            refuse_if_closed();
    }
    void check_not_draining() const;
    void wait_for_room(spawn_waiter& who) noexcept { waiting_.push_back(who); }

private:
    friend class join_children;
    friend struct registry_access;
    void record(child_failure&& failure) noexcept;
    void keep(child_failure&& failure) noexcept;
    void tell(const child_failure& failure) noexcept;
    void drain_for(instant grace) noexcept;
    static void drain_expired(timer& fired) noexcept;
    void refuse_if_closed() const;
    void make_services();
    void check_idle() noexcept;
    void child_gone() noexcept;

    struct grace_timer : timer {
        nursery_core* owner = nullptr;
    };

    nursery_options options_;
    scope_node scope_;
    owned<services_scope> services_;
    std::uint64_t started_ = 0;
    std::uint64_t settled_ = 0;  // of these, ended, or a service: nobody waits for them
    std::uint64_t services_live_ = 0;
    std::uint64_t failed_ = 0;
    std::uint64_t cancelled_ = 0;
    intrusive_list<spawn_waiter> waiting_;  // for room, oldest first
    std::vector<child_failure> failures_;
    std::function<void(const child_failure&)> handler_;
    local_binding* locals_ = nullptr;
    class join_children* joiner_ = nullptr;
    grace_timer grace_;
    bool body_ended_ = false;
    std::uint32_t guard_ = 0;
};

/// The nursery whose child `task` is: of the nearest scope that is a nursery's and not its own.
[[nodiscard]] inline nursery_core& home_of(const task_record& task) noexcept {
    const scope_node* at = task.scope;
    while (at->nursery == nullptr || at->host() == &task)
        at = at->parent();
    return *at->nursery;
}

/// `co_await join_children(nursery)`: until the last child is gone. Goes on in a cancelled scope:
/// the children are being cancelled too, by the scope tree, and must be gone before their parent.
class [[nodiscard]] join_children final : public waiter {
public:
    explicit join_children(nursery_core& children) noexcept : children_(children) {}
    [[nodiscard]] bool await_ready() const noexcept { return children_.idle(); }
    void await_suspend(std::coroutine_handle<>) noexcept {
        enter_uncancellable();
        children_.joiner_ = this;
    }
    void await_resume() const noexcept {}
    [[nodiscard]] cancel_outcome cancel() noexcept override { return cancel_outcome::refused; }
    void describe(wait_description& out) const override;
    void owners(wait_owners& out) const override { out.every_child(children_); }

private:
    friend class nursery_core;
    nursery_core& children_;
};

/// The line of the user's that the current task is at, see user_line(): where a call without a line
/// of its own is booked.
[[nodiscard]] std::source_location current_line() noexcept;

}  // namespace detail
}  // namespace rf
