// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/callable.hpp>
#include <ringfence/runtime/detail/nursery_core.hpp>
#include <ringfence/runtime/detail/outcome.hpp>
#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/frame_pool.hpp>
#include <ringfence/runtime/task.hpp>

#include <new>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

namespace rf::detail {

/// Nobody but the nursery wants to know how the child ends.
struct no_extra {
    explicit no_extra(std::source_location) noexcept {}
    /// Whether the failure, if there is one, has found its owner and is none of the nursery's.
    template <class T>
    bool child_ended(promise<T>*, bool) noexcept {
        return false;
    }
    /// Whether the record stays, because a handle holds it.
    [[nodiscard]] static bool keep() noexcept { return false; }
    static void leave_scope() noexcept {}
};

/// A child of a nursery: its record, the callable with its arguments, and whoever wants its result.
template <class T, class Extra, class F, class... Args>
struct child final : task_record {
    [[no_unique_address]] Extra extra;
    [[no_unique_address]] std::tuple<F, Args...> work;

    template <class... Given>
    explicit child(std::source_location where, Given&&... given)
        : task_record(where, &finish_child), extra(where), work(std::forward<Given>(given)...) {}

    static void operator delete(void* block, std::size_t size) noexcept {
        frame_pool::release(block, size);
    }

    /// The child's task. `first` go before the stored arguments.
    template <class... First>
    task<T> call(First&&... first) {
        if constexpr (task_callable<F, First..., Args...>)
            return invoke(std::forward<First>(first)...);
        else
            return await_call([this] { return invoke(); });  // the record outlives the frame
    }

    template <class... First>
    decltype(auto) invoke(First&&... first) {
        return std::apply(
            [&](F& fn, Args&... args) -> decltype(auto) {
                return std::invoke(std::move(fn), std::forward<First>(first)...,
                                   std::move(args)...);
            },
            work);
    }

    static void finish_child(task_record& record, bool unwound) noexcept {
        child& self = static_cast<child&>(record);
        promise<T>* done = unwound ? nullptr : self.first_frame();
        if (done == nullptr || done->state() == completion_state::error) [[unlikely]]
            return self.finish_badly(done);
        (void)self.extra.child_ended(done, false);
        self.destroy_frame();
        nursery_core& home = home_of(self);
        const bool as_service = self.service;
        self.free();
        home.child_returned(as_service);
    }

private:
    /// When a task ends, the frame that ran last is the one it began with.
    promise<T>* first_frame() noexcept { return static_cast<promise<T>*>(leaf); }

    /// Unwound (`failed` null), or by an exception.
    [[gnu::noinline]] void finish_badly(promise<T>* failed) noexcept {
        nursery_core::child_end end{id, name(), spawned(), service, nullptr, failed != nullptr};
        std::exception_ptr error;
        if (failed != nullptr) error = failed->error();
        const bool owned = extra.child_ended(failed, failed != nullptr);
        if (!owned) end.error = std::move(error);
        error = nullptr;  // its owner may be on another thread, and done with it before this ends
        destroy_frame();
        nursery_core& its_home = home_of(*this);
        free();
        slot.unwinding = false;
        its_home.child_ended(std::move(end));
    }

    // The frame goes first: its destructors may still use what the record stores.
    void destroy_frame() noexcept { leaf->handle().destroy(); }
    void free() noexcept {
        slot.current = nullptr;
        if (slot.walk != nullptr) [[unlikely]]
            tell_walk_of_end(*this);
        take_out();
        extra.leave_scope();
        if (!extra.keep()) delete this;
    }
};

/// Puts a new child's frame into its record and the record into the ready queue.
template <class T>
void launch(task_record& record, promise<T>* root, nursery_core& home, scope_node& scope,
            bool service) noexcept {
    loop& owner = loop::here();
    record.leaf = root;
    record.locals = home.locals();
    record.id = owner.count_task();
    record.begin(service, slot.current != nullptr ? slot.current->guard : home.guard());
    scope.admit(record);
    home.child_started(service);
    owner.push_ready(record);
    if (owner.watched()) [[unlikely]]
        owner.tell_of_opening(resource_kind::task, record.id, record.spawned());
}

/// Allocates a child and calls its function; if either throws, nothing has started.
template <class Extra, class Result, class F, class... Args>
auto* make_child_of(std::source_location where, F&& fn, Args&&... args) {
    using type = child<Result, Extra, std::decay_t<F>, std::decay_t<Args>...>;
    static_assert(alignof(type) <= 16, "arguments of a child may be aligned to 16 bytes at most");
    struct raw_block {
        void* block;
        ~raw_block() {
            if (block != nullptr) frame_pool::release(block, sizeof(type));
        }
    } raw{frame_pool::allocate(sizeof(type))};
    auto* made = ::new (raw.block) type(where, std::forward<F>(fn), std::forward<Args>(args)...);
    raw.block = nullptr;
    return made;
}

template <class Extra, class F, class... Args>
auto* make_child(std::source_location where, F&& fn, Args&&... args) {
    using result = call_result<std::decay_t<F>, std::decay_t<Args>...>;
    return make_child_of<Extra, result>(where, std::forward<F>(fn), std::forward<Args>(args)...);
}

template <class Child>
struct record_guard {
    Child* owned;
    // In line, so that the compiler keeps `owned` in a register.
    [[gnu::always_inline]] ~record_guard() {
        if (owned != nullptr) give_back(owned);
    }
    [[gnu::noinline, gnu::cold]] static void give_back(Child* made) noexcept { delete made; }
};

/// In place of a callable that need not be stored.
struct no_work {};

template <class Extra, class F, class... Args>
void start_child(nursery_core& home, scope_node& scope, std::source_location where, bool service,
                 F&& fn, Args&&... args) {
    constexpr bool stored = !keeps_arguments<std::decay_t<F>, std::decay_t<Args>...>;
    auto* made = [&] {
        if constexpr (stored)
            return make_child<Extra>(where, std::forward<F>(fn), std::forward<Args>(args)...);
        else
            return make_child_of<Extra, call_result<F, std::decay_t<Args>...>>(where, no_work());
    }();
    record_guard<std::remove_reference_t<decltype(*made)>> undo{made};
    auto* first = [&] {
        if constexpr (stored)
            return task_access::release(made->call());
        else
            return task_access::release(fn(std::forward<Args>(args)...));
    }();
    undo.owned = nullptr;
    launch(*made, first, home, scope, service);
}

}  // namespace rf::detail
