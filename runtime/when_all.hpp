// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/checkpoint.hpp>
#include <ringfence/runtime/detail/gather.hpp>
#include <ringfence/runtime/task.hpp>

#include <cstddef>
#include <tuple>
#include <utility>
#include <vector>

namespace rf {

/// Runs everything it is given at the same time and returns all the results, in order.
///
///     auto all = co_await rf::when_all([&] { return ask(a); }, ask(b), rf::sleep_for(1s));
///     auto& [first, second, slept] = all;     // rf::unit stands for void
///
/// Each piece of work is a task, an operation, or a callable that returns either. Each becomes a
/// task of its own, in a scope that this call opens and closes: none outlives it. Callables are
/// called in order when the call is awaited and live until it returns; they may capture by
/// reference.
///
/// Errors: the first failure in time cancels the others, and is thrown when all are gone.
/// Cancellation: a cancel point, even with nothing to run. Cancelled from outside, it waits for all
///   and unwinds; if all have finished in spite of that, their results count.
/// Threads: one loop. Cost: two blocks from the frame pool per piece, one for the call.
template <detail::work... W>
[[nodiscard]] task<std::tuple<detail::held<detail::work_result<W>>...>> when_all(W... works);

/// The same for a number of pieces that is known only at run time. Results in the order of `works`.
template <detail::work W>
[[nodiscard]] task<std::vector<detail::held<detail::work_result<W>>>> when_all(
    std::vector<W> works);

// Implementation

namespace detail {

// These do the parts that expand packs, so that the coroutines hold none: plain functions are what
// every compiler gets right.

template <class... W, std::size_t... I>
bool start_each(gather& home, std::tuple<gather_slot<work_result<W>>...>& slots,
                std::tuple<W...>& works, std::index_sequence<I...>) noexcept {
    return (try_start(home, std::get<I>(slots), I, std::get<I>(works)) && ...);
}

template <class... T>
std::exception_ptr first_error(std::tuple<gather_slot<T>...>& slots) noexcept {
    std::exception_ptr found;
    std::apply(
        [&](auto&... each) { ((found == nullptr ? void(found = each.end.error()) : void()), ...); },
        slots);
    return found;
}

template <class... T>
bool all_have_values(const std::tuple<gather_slot<T>...>& slots) noexcept {
    return std::apply([](const auto&... each) { return (each.end.has_value() && ...); }, slots);
}

template <class... T>
std::tuple<held<T>...> take_all(std::tuple<gather_slot<T>...>& slots) {
    return std::apply([](auto&... each) { return std::tuple<held<T>...>(take_held(each.end)...); },
                      slots);
}

template <class... W>
task<std::tuple<held<work_result<W>>...>> gather_tuple(std::tuple<W...> works) {
    std::tuple<gather_slot<work_result<W>>...> slots;
    gather home(gather_rule::all, nursery_options{.name = "when_all"}, awaiting_line());
    const bool started = start_each<W...>(home, slots, works, std::index_sequence_for<W...>{});
    home.children.close_body(started ? nullptr : first_error(slots));
    co_await join_children(home.children);
    home.children.finish();
    throw_failure(home.children);
    if (sizeof...(W) == 0 || !all_have_values(slots)) co_await this_task::checkpoint();
    co_return take_all(slots);
}

template <class W>
std::exception_ptr start_each(gather& home, std::vector<gather_slot<work_result<W>>>& slots,
                              std::vector<W>& works) noexcept {
    for (std::size_t i = 0; i < works.size(); ++i)
        if (!try_start(home, slots[i], i, works[i])) return slots[i].end.error();
    return nullptr;
}

template <class T>
bool all_have_values(const std::vector<gather_slot<T>>& slots) noexcept {
    for (const gather_slot<T>& each : slots)
        if (!each.end.has_value()) return false;
    return true;
}

template <class T>
std::vector<held<T>> take_all(std::vector<gather_slot<T>>& slots) {
    std::vector<held<T>> results;
    results.reserve(slots.size());
    for (gather_slot<T>& each : slots)
        results.push_back(take_held(each.end));
    return results;
}

template <class W>
task<std::vector<held<work_result<W>>>> gather_vector(std::vector<W> works) {
    std::vector<gather_slot<work_result<W>>> slots(works.size());
    gather home(gather_rule::all, nursery_options{.name = "when_all"}, awaiting_line());
    home.children.close_body(start_each(home, slots, works));
    co_await join_children(home.children);
    home.children.finish();
    throw_failure(home.children);
    if (works.empty() || !all_have_values(slots)) co_await this_task::checkpoint();
    co_return take_all(slots);
}

}  // namespace detail

template <detail::work... W>
task<std::tuple<detail::held<detail::work_result<W>>...>> when_all(W... works) {
    return detail::gather_tuple<W...>(std::tuple<W...>(std::move(works)...));
}

template <detail::work W>
task<std::vector<detail::held<detail::work_result<W>>>> when_all(std::vector<W> works) {
    return detail::gather_vector<W>(std::move(works));
}

}  // namespace rf
