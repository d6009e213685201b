// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/checkpoint.hpp>
#include <ringfence/runtime/detail/body.hpp>
#include <ringfence/runtime/detail/child.hpp>
#include <ringfence/runtime/detail/nursery_core.hpp>
#include <ringfence/runtime/detail/outcome.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

namespace rf::detail {

/// What a result is in tuples, vectors and variants: void becomes unit, T& a reference_wrapper.
template <class T>
using held = std::conditional_t<std::is_reference_v<T>,
                                std::reference_wrapper<std::remove_reference_t<T>>, storable<T>>;

template <class T>
[[nodiscard]] held<T> take_held(outcome<T>& end) {
    if constexpr (std::is_reference_v<T>)
        return held<T>(*end.stored_value());
    else
        return std::move(end.stored_value());
}

/// The line that awaits the coroutine which is just beginning to run. A combinator cannot take it
/// as a default argument behind a pack, and its caller's last await would be the wrong line.
[[nodiscard]] inline std::source_location awaiting_line() noexcept {
    const frame* self = slot.current->leaf;
    const frame* caller = self->parent();
    return caller != nullptr ? std::source_location(caller->at) : self->created();
}

/// When the children of a combinator have come to a decision, and the rest is cancelled.
enum class gather_rule : std::uint8_t {
    all,          // all must succeed: the first failure decides, and is the nursery's to throw
    first_value,  // the first value decides; a failure decides nothing
    first_end,    // whichever ends first decides
};

/// The children of one combinator, each with a slot in the combinator's frame for its outcome.
///
/// A nursery without a body: the combinator starts the children, close_body()s the nursery, waits
/// for the join, which no cancel interrupts, and then reads the slots.
class gather {
public:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    gather(gather_rule rule, const nursery_options& options, std::source_location where) noexcept
        : children(options, where), rule_(rule), where_(where) {
        if (rule != gather_rule::all) children.scope().set_kind(scope_kind::race);
        children.open(slot.current->scope, slot.current);
    }

    nursery_core children;
    /// Every failure goes here too, oldest first. Not for gather_rule::all. May be null.
    std::vector<child_failure>* failures = nullptr;

    /// A child is gone and `error` is its failure, if it had one.
    void ended(std::size_t index, std::uint64_t task_id, bool has_value,
               const std::exception_ptr& error) {
        if (rule_ != gather_rule::all) note_end(index, task_id, has_value, error);
    }

    [[nodiscard]] bool owns_failures() const noexcept { return rule_ != gather_rule::all; }
    [[nodiscard]] std::source_location where() const noexcept { return where_; }

    // The index of the first in time that ended in some way of its own, or `none`.
    [[nodiscard]] std::size_t first_end() const noexcept { return first_end_; }
    [[nodiscard]] std::size_t first_value() const noexcept { return first_value_; }
    [[nodiscard]] std::size_t first_failure() const noexcept { return first_failure_; }

private:
    void note_end(std::size_t index, std::uint64_t task_id, bool has_value,
                  const std::exception_ptr& error);

    gather_rule rule_;
    std::source_location where_;
    std::size_t first_end_ = none;
    std::size_t first_value_ = none;
    std::size_t first_failure_ = none;
};

/// Where one child leaves its outcome: cancelled until it has one.
template <class T>
struct gather_slot {
    outcome<T> end;
    gather* home = nullptr;
    std::size_t index = 0;
    std::uint64_t task_id = 0;
};

/// What a child of a gather carries: the way to its slot.
template <class T>
struct gather_extra {
    gather_slot<T>* into = nullptr;

    explicit gather_extra(std::source_location) noexcept {}

    bool child_ended(promise<T>* done, bool failed) noexcept {
        if (failed)
            into->end = outcome<T>::failure(done->error());
        else if (done != nullptr) {
            if constexpr (std::is_void_v<T>)
                into->end = outcome<T>::success(unit{});
            else
                into->end = outcome<T>::success(std::move(done->value));
        }
        return into->home->owns_failures();
    }
    [[nodiscard]] static bool keep() noexcept { return false; }
    // The child's frame is gone and its record is out of the scope, which may be cancelled now.
    void leave_scope() noexcept {
        into->home->ended(into->index, into->task_id, into->end.has_value(), into->end.error());
    }
};

/// Starts `fn()` as a child whose outcome goes to `into`. If this throws, nothing has started.
template <class T, class F>
void start_gathered(gather& home, gather_slot<T>& into, std::size_t index, F&& fn) {
    auto* made = make_child_of<gather_extra<T>, T>(home.where(), std::forward<F>(fn));
    using type = std::remove_reference_t<decltype(*made)>;
    record_guard<type> undo{made};
    made->extra.into = &into;
    auto* first = task_access::release(made->call());
    RF_ASSERT(first != nullptr,
              "an empty task was given to a combinator: it was awaited before, or moved from");
    undo.owned = nullptr;
    into.home = &home;
    into.index = index;
    launch(*made, first, home.children, home.children.scope(), false);
    into.task_id = made->id;
}

/// Work as the function of a child. The work stays where it is, in the combinator's frame.
template <class W>
struct work_call {
    W* work;
    task<work_result<W>> operator()() const { return start_work(*work); }
};

/// The same; a failure to start is the failure of that child. Whether it has started.
template <class W>
bool try_start(gather& home, gather_slot<work_result<W>>& into, std::size_t index,
               W& work) noexcept {
    RF_TRY {
        start_gathered(home, into, index, work_call<W>{&work});
        return true;
    }
    RF_CATCH(...) {
#if RF_EXCEPTIONS
        into.end = outcome<work_result<W>>::failure(std::current_exception());
        into.index = index;
        home.ended(index, 0, false, into.end.error());
#endif
    }
    return false;
}

/// Throws what the nursery has to throw, if anything.
inline void throw_failure(nursery_core& children) {
    std::exception_ptr failure = children.take_failure();
#if RF_EXCEPTIONS
    if (failure != nullptr) std::rethrow_exception(std::move(failure));
#endif
}

}  // namespace rf::detail
