// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/detail/child.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/detail/nursery_core.hpp>
#include <ringfence/runtime/detail/remote_child.hpp>
#include <ringfence/runtime/join_handle.hpp>
#include <ringfence/runtime/shard.hpp>
#include <ringfence/runtime/start.hpp>
#include <ringfence/runtime/task.hpp>

#include <functional>
#include <source_location>
#include <string_view>
#include <utility>

namespace rf {

/// The only place where tasks start. Made by with_nursery, which returns when all children are
/// gone.
///
///     co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
///         jobs.spawn(fetch, "a");
///         jobs.spawn(fetch, "b");
///         co_return;
///     });                                    // both are done here
///
/// A callable and its arguments move into storage that lives as long as the child, so a capturing
/// lambda is safe to spawn, and so are arguments that the function takes by reference. References
/// inside a capture or a std::ref must outlive the nursery.
///
/// Children start from the ready queue in the order of spawning, after the spawner's next wait. A
/// child that has ended is freed at once: a nursery that has spawned ten million has not grown.
/// Children see the task_local values in force where the nursery was opened.
///
/// Threads: one loop. Cost of spawn: two blocks from the frame pool, about 10 ns.
class nursery : public detail::nursery_core {
public:
    using nursery_core::nursery_core;

#define RF_WHERE std::source_location where = std::source_location::current()
// One verb in all its arities, so that the caller's line can be a default argument behind them.
#define RF_NURSERY_VERB(verb, implementation)                                                      \
    template <class F>                                                                             \
    auto verb(F&& fn, RF_WHERE) {                                                                  \
        return implementation(where, std::forward<F>(fn));                                         \
    }                                                                                              \
    template <class F, class A>                                                                    \
    auto verb(F&& fn, A&& a, RF_WHERE) {                                                           \
        return implementation(where, std::forward<F>(fn), std::forward<A>(a));                     \
    }                                                                                              \
    template <class F, class A, class B>                                                           \
    auto verb(F&& fn, A&& a, B&& b, RF_WHERE) {                                                    \
        return implementation(where, std::forward<F>(fn), std::forward<A>(a), std::forward<B>(b)); \
    }                                                                                              \
    template <class F, class A, class B, class C>                                                  \
    auto verb(F&& fn, A&& a, B&& b, C&& c, RF_WHERE) {                                             \
        return implementation(where, std::forward<F>(fn), std::forward<A>(a), std::forward<B>(b),  \
                              std::forward<C>(c));                                                 \
    }                                                                                              \
    template <class F, class A, class B, class C, class D>                                         \
    auto verb(F&& fn, A&& a, B&& b, C&& c, D&& d, RF_WHERE) {                                      \
        return implementation(where, std::forward<F>(fn), std::forward<A>(a), std::forward<B>(b),  \
                              std::forward<C>(c), std::forward<D>(d));                             \
    }                                                                                              \
    template <class F, class A, class B, class C, class D, class E, class... Rest>                 \
        requires(!std::is_same_v<std::remove_cvref_t<E>, std::source_location>)                    \
    auto verb(F&& fn, A&& a, B&& b, C&& c, D&& d, E&& e, Rest&&... rest) {                         \
        return implementation(detail::current_line(), std::forward<F>(fn), std::forward<A>(a),     \
                              std::forward<B>(b), std::forward<C>(c), std::forward<D>(d),          \
                              std::forward<E>(e), std::forward<Rest>(rest)...);                    \
    }

    /// spawn(fn, args...): starts `fn(args...)` as a child: a coroutine, or a function that returns
    /// an operation, as in spawn([&] { return peer.write_all(bytes); }). Its result is discarded;
    /// its failure is dealt with by the nursery's policy.
    /// Throws nursery_closed while draining (but see nursery_options::spawn_while_draining),
    /// nursery_full at the limit.
    RF_NURSERY_VERB(spawn, spawn_at)

    /// try_spawn(fn, args...): the same, but false where spawn would throw, and nothing is started.
    RF_NURSERY_VERB(try_spawn, try_spawn_at)

    /// co_await spawn_when_free(fn, args...): waits until the nursery has fewer children than its
    /// limit, then starts the child. Waiters get their turn in order; spawn() does not overtake
    /// them. Cancel point; a cancelled call has started nothing.
    RF_NURSERY_VERB(spawn_when_free, spawn_when_free_at)

    /// spawn_service(fn, args...): a child that serves the others: cancelled when the body and all
    /// other children have ended.
    RF_NURSERY_VERB(spawn_service, spawn_service_at)

    /// async(fn, args...) -> join_handle<T>: a child whose result somebody wants. A failure still
    /// goes to the policy too, except under `isolate` and `collect` once the handle is awaited.
    RF_NURSERY_VERB(async, async_at)

    /// spawn_on(shard, fn, args...): a child of this nursery that runs on another loop of
    /// run_sharded, or on this one. `fn` and its arguments are moved there, and a failure is moved
    /// back; the child counts here, and this nursery waits for it, cancels it and drains it. It
    /// sees no task_local of this side. What belongs to a loop must not be among the arguments: a
    /// connection travels as an io::descriptor_in_flight.
    /// Cancellation: travels as a message; a child that finishes before it arrives has finished.
    ///   One cancelled before it ran is destroyed there without running.
    /// Cost: two messages, and a task on either side.
    RF_NURSERY_VERB(spawn_on, spawn_on_at)

    /// async_on(shard, fn, args...) -> join_handle<T>: the same with a result, which is moved back.
    RF_NURSERY_VERB(async_on, async_on_at)

    /// co_await start<T>(fn, args...) -> T: calls `fn(rf::started<T>, args...)` and waits until the
    /// child says `started(value)`, that is until it is ready to serve. If it fails first, the
    /// failure is thrown here and is none of the nursery's; if it ends without a word, start_error.
    /// Cancelled while waiting, the call takes the child with it.
    template <class T = void, class F, class... Args>
    [[nodiscard]] detail::start_awaiter<T, std::decay_t<F>, std::decay_t<Args>...> start(
        F&& fn, Args&&... args) {
        check_callable<F, started<T>, Args...>();
        static_assert(
            detail::task_callable<std::decay_t<F>, started<T>, std::decay_t<Args>...>,
            "start(fn, args...): fn must be a coroutine that returns rf::task and says started()");
        return {static_cast<nursery&>(*this), detail::current_line(), std::forward<F>(fn),
                std::forward<Args>(args)...};
    }

    /// co_await wait_for_place(): until spawn() would not be refused for want of room, after all
    /// who waited before. Holds no place: for a nursery that one task spawns into.
    [[nodiscard]] detail::place_awaiter wait_for_place() noexcept {
        return detail::place_awaiter(*this);
    }

#undef RF_NURSERY_VERB
#undef RF_WHERE

private:
    template <class F, class... Args>
    static consteval void check_callable() {
        static_assert(!detail::is_task<std::decay_t<F>>,
                      "spawn takes a function and its arguments, spawn(fn, args...), not a task "
                      "that was made before: the task may refer to things that end before it");
        if constexpr (!detail::is_task<std::decay_t<F>>) {
            constexpr bool callable = std::is_invocable_v<std::decay_t<F>, std::decay_t<Args>...>;
            static_assert(callable || !detail::awaitable<std::decay_t<F>>,
                          "spawn takes a function that returns the operation, not the operation: "
                          "spawn([&] { return socket.write_all(bytes); })");
            static_assert(callable || detail::awaitable<std::decay_t<F>>,
                          "spawn(fn, args...): fn cannot be called with these arguments; they are "
                          "moved into the child, so a parameter T& needs std::ref(argument)");
            if constexpr (callable)
                static_assert(
                    detail::async_callable<std::decay_t<F>, std::decay_t<Args>...>,
                    "spawn(fn, args...): fn must be a coroutine that returns rf::task, or return "
                    "an operation to await");
        }
    }

    template <class F, class... Args>
    void spawn_at(std::source_location where, F&& fn, Args&&... args) {
        check_callable<F, Args...>();
        check_open();
        detail::start_child<detail::no_extra>(*this, scope(), where, false, std::forward<F>(fn),
                                              std::forward<Args>(args)...);
    }

    template <class F, class... Args>
    [[nodiscard]] bool try_spawn_at(std::source_location where, F&& fn, Args&&... args) {
        check_callable<F, Args...>();
        if (!has_room() || closed_to_children()) return false;
        detail::start_child<detail::no_extra>(*this, scope(), where, false, std::forward<F>(fn),
                                              std::forward<Args>(args)...);
        return true;
    }

    template <class F, class... Args>
    [[nodiscard]] auto spawn_when_free_at(std::source_location where, F&& fn, Args&&... args) {
        check_callable<F, Args...>();
        return detail::spawn_awaiter<std::decay_t<F>, std::decay_t<Args>...>(
            *this, where, std::forward<F>(fn), std::forward<Args>(args)...);
    }

    template <class F, class... Args>
    void spawn_service_at(std::source_location where, F&& fn, Args&&... args) {
        check_callable<F, Args...>();
        check_not_draining();
        detail::start_child<detail::no_extra>(*this, services(), where, true, std::forward<F>(fn),
                                              std::forward<Args>(args)...);
    }

    template <class F, class... Args>
    static auto work_on(std::source_location where, shard target, F&& fn, Args&&... args) {
        check_callable<F, Args...>();
        detail::remote_wait::check_target(target);
        using work = detail::remote_work<std::decay_t<F>, std::decay_t<Args>...>;
        return work{target, where, {std::forward<F>(fn), std::forward<Args>(args)...}};
    }

    template <class F, class... Args>
    void spawn_on_at(std::source_location where, shard target, F&& fn, Args&&... args) {
        spawn_at(where, work_on(where, target, std::forward<F>(fn), std::forward<Args>(args)...));
    }

    template <class F, class... Args>
    [[nodiscard]] auto async_on_at(std::source_location where, shard target, F&& fn,
                                   Args&&... args) {
        return async_at(where,
                        work_on(where, target, std::forward<F>(fn), std::forward<Args>(args)...));
    }

    template <class F, class... Args>
    [[nodiscard]] auto async_at(std::source_location where, F&& fn, Args&&... args) {
        check_callable<F, Args...>();
        check_open();
        return detail::start_async(*this, where, std::forward<F>(fn), std::forward<Args>(args)...);
    }
};

}  // namespace rf
