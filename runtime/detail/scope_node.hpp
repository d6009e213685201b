// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/runtime/detail/owned.hpp>
#include <ringfence/runtime/detail/slot.hpp>
#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/timer_wheel.hpp>

#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>

namespace rf {

/// Why a scope was cancelled.
enum class cancel_cause : std::uint8_t {
    none,           // it was not
    requested,      // somebody called cancel()
    deadline,       // its own deadline passed
    parent,         // a scope around it was cancelled
    child_failed,   // a child of the nursery failed
    finished,       // its purpose is served: losers of a race, services after the others
    drain_expired,  // the grace period of a drain passed
};

[[nodiscard]] const char* to_string(cancel_cause cause) noexcept;

}  // namespace rf

namespace rf::detail {

struct stop_hook;  // see stop_token.hpp

enum class scope_kind : std::uint8_t { root, nursery, services, scope, timeout, shield, race };

/// Something that wants to hear when a scope is cancelled or told to drain. Runs on the loop's
/// thread, after the whole tree has been marked; may run user code.
struct scope_hook : list_hook {
    void (*on_event)(scope_hook&) noexcept = nullptr;
};

/// To the walk that is under way: `task` is about to move to another scope, or to end.
[[gnu::cold]] void tell_walk_of_move(const task_record& task) noexcept;
[[gnu::cold]] void tell_walk_of_end(const task_record& task) noexcept;

/// A node of the scope tree: the state that awaiters read, and the lists that cancelling walks.
///
/// `cancelled()` is effective: it includes every scope around this one up to the nearest shield,
/// because cancelling marks the subtree at once. Reading it is one load.
///
/// Lifetime: lives in the frame of the task that opened it (`host`), inside its parent scope.
/// Threads: one loop.
class scope_node : public list_hook {
public:
    explicit scope_node(scope_kind kind, std::source_location opened) noexcept;
    scope_node(const scope_node&) = delete;
    scope_node& operator=(const scope_node&) = delete;
    ~scope_node();

    /// Puts the node below `parent`, taking over its state. `parent` null: a root.
    void attach(scope_node* parent, task_record* host) noexcept;
    void detach() noexcept;

    /// Detaches a node whose work is done, so that it can be attached again.
    void leave() noexcept {
        detach();
        parent_ = nullptr;
        host_ = nullptr;
    }

    /// Makes a new `task` a member of this scope. A walk in steps need not know: it is of tasks
    /// that were there when it began.
    void admit(task_record& task) noexcept {
        tasks.push_back(task);
        task.scope = this;
    }

    /// Makes `task` a member of this scope, and of no other.
    void adopt(task_record& task) noexcept {
        if (slot.walk != nullptr) [[unlikely]]
            tell_walk_of_move(task);
        task.unlink();
        task.scope = this;
        tasks.push_back(task);
    }

    /// Cancels this scope and all below it, up to shields. The first cause stays.
    void cancel(cancel_cause cause, std::string_view reason, std::source_location where) noexcept;

    /// The same with a reason that lives for ever, which is not copied: cancelling then does not
    /// allocate.
    void cancel(cancel_cause cause, const char* literal, std::source_location where) noexcept {
        if (!cancelled_here()) literal_reason_ = literal;
        cancel(cause, std::string_view(), where);
    }

    /// Tells this scope and all below it to finish what they are at and to begin nothing new.
    void drain() noexcept;

    /// Arms the scope's own deadline, or moves it.
    void set_deadline(instant deadline) noexcept;

    [[nodiscard]] bool cancelled() const noexcept { return cancelled_; }
    [[nodiscard]] bool cancelled_here() const noexcept { return cause_ != cancel_cause::none; }
    [[nodiscard]] bool draining() const noexcept { return draining_; }
    [[nodiscard]] cancel_cause cause() const noexcept { return cause_; }
    [[nodiscard]] std::string_view reason() const noexcept;
    [[nodiscard]] std::source_location cancelled_at() const noexcept { return cancelled_at_; }
    /// When; meaningless unless cancelled_here().
    [[nodiscard]] instant cancelled_since() const noexcept { return cancelled_since_; }
    [[nodiscard]] std::source_location opened() const noexcept { return opened_; }
    [[nodiscard]] scope_kind kind() const noexcept { return kind_; }
    [[nodiscard]] scope_node* parent() const noexcept { return parent_; }
    [[nodiscard]] task_record* host() const noexcept { return host_; }
    [[nodiscard]] instant own_deadline() const noexcept { return deadline_; }

    /// The earliest deadline of this scope and those around it, up to a shield.
    [[nodiscard]] instant effective_deadline() const noexcept;

    /// The nearest scope at or above this one that was itself cancelled; null if none was.
    [[nodiscard]] const scope_node* cancelled_by() const noexcept;

    [[nodiscard]] bool shielded() const noexcept { return kind_ == scope_kind::shield; }
    void set_kind(scope_kind kind) noexcept { kind_ = kind; }

    intrusive_list<task_record> tasks;     // tasks whose innermost scope is this one
    intrusive_list<scope_node> children;   // scopes directly inside
    intrusive_list<scope_hook> on_cancel;  // told once, when cancelled() turns true
    intrusive_list<scope_hook> on_drain;   // told once, when draining() turns true
    nursery_core* nursery = nullptr;       // set when the scope is a nursery's
    owned<stop_hook> stop;                 // made by the first this_task::stop_token()

private:
    friend class image_builder;
    friend struct registry_access;
    static void deadline_passed(timer& fired) noexcept;
    [[nodiscard]] scope_node* next_below(const scope_node* root, bool enter) noexcept;

    struct deadline_timer : timer {
        scope_node* owner = nullptr;
    };

    scope_node* parent_ = nullptr;
    task_record* host_ = nullptr;
    deadline_timer timer_;
    instant deadline_ = instant_never;
    const char* literal_reason_ = nullptr;
    owned<std::string> reason_;
    std::source_location opened_;
    std::source_location cancelled_at_;
    instant cancelled_since_ = 0;
    scope_kind kind_;
    cancel_cause cause_ = cancel_cause::none;  // of a cancel of this very scope
    bool cancelled_ = false;                   // this scope or one around it
    bool draining_ = false;
    mutable std::uint32_t place_in_image_ = 0;  // of the last image; lies in what was padding
};

}  // namespace rf::detail
