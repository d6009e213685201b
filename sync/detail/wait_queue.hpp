// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/runtime/detail/slot.hpp>
#include <ringfence/runtime/detail/tried_wait.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <cstddef>
#include <source_location>
#include <string>

namespace rf {
class loop;
}

namespace rf::sync::detail {

/// What a primitive is and where it was made: how messages name it.
struct identity {
    const char* kind;  // "mutex"
    std::source_location made;

    /// "mutex made at server.cpp:31".
    [[nodiscard]] std::string text() const;
    /// For dumps: "<text> to <verb>", as in "event made at server.cpp:31 to be set".
    void describe(wait_description& out, const char* wait_kind, const char* verb) const;
};

/// Says what a program did wrong with a primitive, and aborts.
[[noreturn, gnu::cold]] void misused(const identity& what, const char* sentence) noexcept;

/// The largest count that a primitive takes; beyond are negative numbers, converted.
inline constexpr std::size_t most_counts = static_cast<std::size_t>(-1) / 2;
/// `count`, or std::invalid_argument where it is a negative number.
[[nodiscard]] std::size_t checked_count(std::size_t count, const identity& which);
/// "<text> to <verb> (3 to go)".
void describe_count(wait_description& out, const identity& which, const char* verb,
                    std::size_t left);

/// A place in the line of a primitive, in the frame of the task that waits. Taken out of its line,
/// it has had no effect.
class queued_wait : public waiter, public rf::detail::list_hook {
public:
    using selectable = void;

    [[nodiscard]] cancel_outcome cancel() noexcept override {
        unlink();
        return cancel_outcome::removed;
    }

    /// Ends the wait: its effect has taken place. The caller has taken it out of its line.
    void grant() noexcept { resume(); }
    [[nodiscard]] std::uint64_t task_id() const noexcept { return waiting_task_id(); }

protected:
    // Only a wait in line is ever unlinked.
    queued_wait() noexcept : list_hook(rf::detail::not_linked_t()) {}
    queued_wait(queued_wait&& other) noexcept
        : waiter(std::move(other)), list_hook(rf::detail::not_linked_t()) {}
    ~queued_wait() = default;
};

/// An operation that is done at once where it can be, and waits in line where not.
template <class Derived, class Base = queued_wait>
using tried_wait = rf::detail::tried_wait<Derived, Base>;

/// The tasks that wait on one primitive, oldest first: what all primitives of sync are built on.
///
/// Who takes a waiter out grants it something before anybody else runs. So there is no lost
/// wake-up, and nothing to undo when a waiter is cancelled: it was granted, and goes on; or it was
/// not, and has only to be unlinked.
///
/// Lifetime: outlives its waiters, or aborts. Threads: one loop at a time; waiting from two aborts.
/// Cost: never allocates; all but count() and describe() take constant time.
class wait_queue {
public:
    wait_queue() noexcept = default;
    wait_queue(const wait_queue&) = delete;
    wait_queue& operator=(const wait_queue&) = delete;

    [[nodiscard]] bool empty() const noexcept { return waiters_.empty(); }
    [[nodiscard]] queued_wait& front() noexcept { return waiters_.front(); }

    /// To the end of the line. `owner` is the primitive, for messages.
    void add(queued_wait& wait, const identity& owner) noexcept {
        if (empty())
            home_ = rf::detail::slot.owner;
        else if (home_ != rf::detail::slot.owner)
            refuse_other_loop(owner);
        waiters_.push_back(wait);
    }
    /// Takes the oldest out. For one that is then granted.
    queued_wait& pop(const identity& owner) noexcept {
        if (home_ != rf::detail::slot.owner) refuse_other_loop(owner);
        return waiters_.take_front();
    }

    /// For destructors: nobody may wait any more.
    void require_empty(const identity& owner) const noexcept {
        if (!empty()) refuse_destruction(owner);
    }
    [[nodiscard]] std::size_t count() const noexcept;

private:
    [[noreturn, gnu::cold]] static void refuse_other_loop(const identity& owner) noexcept;
    [[noreturn, gnu::cold]] void refuse_destruction(const identity& owner) const noexcept;

    rf::detail::intrusive_list<queued_wait, rf::detail::list_hook> waiters_;
    loop* home_ = nullptr;  // of those who wait
};

}  // namespace rf::sync::detail
