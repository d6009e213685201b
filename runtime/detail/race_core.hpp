// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/checkpoint.hpp>
#include <ringfence/runtime/detail/gather.hpp>
#include <ringfence/runtime/losers.hpp>
#include <ringfence/runtime/race_result.hpp>
#include <ringfence/runtime/task.hpp>

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace rf::detail {

template <class... W>
using race_variant = std::variant<held<work_result<W>>...>;

// As in when_all: what expands packs is a plain function, the coroutines hold none.

template <class... W, std::size_t... I>
void start_racers(gather& home, std::tuple<gather_slot<work_result<W>>...>& slots,
                  std::tuple<W...>& works, std::index_sequence<I...>) noexcept {
    ((void)try_start(home, std::get<I>(slots), I, std::get<I>(works)), ...);
}

template <class W>
void start_racers(gather& home, std::vector<gather_slot<work_result<W>>>& slots,
                  std::vector<W>& works) noexcept {
    for (std::size_t i = 0; i < works.size(); ++i)
        (void)try_start(home, slots[i], i, works[i]);
}

template <class... T, class Visit>
void for_each_slot(std::tuple<gather_slot<T>...>& slots, Visit&& visit) {
    std::apply([&](auto&... each) { (visit(each), ...); }, slots);
}

template <class T, class Visit>
void for_each_slot(std::vector<gather_slot<T>>& slots, Visit&& visit) {
    for (gather_slot<T>& each : slots)
        visit(each);
}

/// What decided the race: the index of the winner, or of the failure to throw, or none, in which
/// case the race was cancelled from outside.
[[nodiscard]] inline std::size_t decisive(const gather& home, gather_rule rule, std::size_t racers,
                                          std::size_t failed) noexcept {
    if (rule == gather_rule::first_end) return home.first_end();
    if (home.first_value() != gather::none) return home.first_value();
    return failed == racers ? home.first_failure() : gather::none;
}

/// Disposes of the values of all but `winner`, and gives the failure of `winner`, if it is one.
template <class Slots, class Dispose>
std::exception_ptr settle(Slots& slots, std::size_t winner, losers<Dispose>& rest) {
    std::exception_ptr failure;
    for_each_slot(slots, [&]<class T>(gather_slot<T>& each) {
        if (each.index == winner)
            failure = each.end.error();
        else if (each.end.has_value())
            rest.dispose(take_held(each.end));
    });
    return failure;
}

template <class Slots>
[[nodiscard]] std::size_t count_failed(Slots& slots) noexcept {
    std::size_t failed = 0;
    for_each_slot(slots, [&](auto& each) { failed += each.end.failed(); });
    return failed;
}

template <class Variant, class... T, std::size_t... I>
Variant winning(std::tuple<gather_slot<T>...>& slots, std::size_t winner,
                std::index_sequence<I...>) {
    std::optional<Variant> won;
    ((I == winner ? void(won.emplace(std::in_place_index<I>, take_held(std::get<I>(slots).end)))
                  : void()),
     ...);
    return std::move(*won);
}

inline void rethrow_if(std::exception_ptr failure) {
#if RF_EXCEPTIONS
    if (failure != nullptr) std::rethrow_exception(std::move(failure));
#else
    RF_ASSERT(failure == nullptr, "a failure in a build without exceptions");
#endif
}

template <class Dispose, class... W>
task<race_variant<W...>> race_tuple(gather_rule rule, losers<Dispose> rest,
                                    std::tuple<W...> works) {
    std::tuple<gather_slot<work_result<W>>...> slots;
    gather home(rule, nursery_options{}, awaiting_line());
    home.failures = rest.failures();
    start_racers<W...>(home, slots, works, std::index_sequence_for<W...>{});
    home.children.close_body(nullptr);
    co_await join_children(home.children);
    home.children.finish();
    const std::size_t winner = decisive(home, rule, sizeof...(W), count_failed(slots));
    std::exception_ptr failure = settle(slots, winner, rest);
    rethrow_if(std::move(failure));
    if (winner == gather::none) co_await this_task::checkpoint();
    co_return winning<race_variant<W...>>(slots, winner, std::index_sequence_for<W...>{});
}

inline void refuse_empty(std::size_t racers) {
    if (racers == 0)
        RF_THROW(std::invalid_argument(
            "a race needs at least one racer: the vector of work is empty, so nobody can win"));
}

template <class Dispose, class W>
task<race_winner<work_result<W>>> race_vector(gather_rule rule, losers<Dispose> rest,
                                              std::vector<W> works) {
    refuse_empty(works.size());
    std::vector<gather_slot<work_result<W>>> slots(works.size());
    gather home(rule, nursery_options{}, awaiting_line());
    home.failures = rest.failures();
    start_racers(home, slots, works);
    home.children.close_body(nullptr);
    co_await join_children(home.children);
    home.children.finish();
    const std::size_t winner = decisive(home, rule, works.size(), count_failed(slots));
    std::exception_ptr failure = settle(slots, winner, rest);
    rethrow_if(std::move(failure));
    if (winner == gather::none) co_await this_task::checkpoint();
    co_return race_winner<work_result<W>>{winner, take_held(slots[winner].end)};
}

template <class... T>
std::tuple<race_entry<T>...> entries(std::tuple<gather_slot<T>...>& slots) {
    return std::apply(
        [](auto&... each) {
            return std::tuple<race_entry<T>...>(race_entry<T>(std::move(each.end))...);
        },
        slots);
}

template <class T>
std::vector<race_entry<T>> entries(std::vector<gather_slot<T>>& slots) {
    std::vector<race_entry<T>> all;
    all.reserve(slots.size());
    for (gather_slot<T>& each : slots)
        all.emplace_back(std::move(each.end));
    return all;
}

/// The failure that a race without a winner throws.
template <class Slots>
std::exception_ptr failure_of(const gather& home, Slots& slots) {
    std::exception_ptr failure;
    for_each_slot(slots, [&](auto& each) {
        if (each.index == home.first_failure()) failure = each.end.error();
    });
    return failure;
}

template <class... W>
task<std::tuple<race_entry<work_result<W>>...>> race_kept(std::tuple<W...> works) {
    std::tuple<gather_slot<work_result<W>>...> slots;
    gather home(gather_rule::first_value, nursery_options{}, awaiting_line());
    start_racers<W...>(home, slots, works, std::index_sequence_for<W...>{});
    home.children.close_body(nullptr);
    co_await join_children(home.children);
    home.children.finish();
    if (home.first_value() == gather::none) {
        if (count_failed(slots) != sizeof...(W)) co_await this_task::checkpoint();
        rethrow_if(failure_of(home, slots));
    }
    co_return entries(slots);
}

template <class W>
task<std::vector<race_entry<work_result<W>>>> race_kept_vector(std::vector<W> works) {
    refuse_empty(works.size());
    std::vector<gather_slot<work_result<W>>> slots(works.size());
    gather home(gather_rule::first_value, nursery_options{}, awaiting_line());
    start_racers(home, slots, works);
    home.children.close_body(nullptr);
    co_await join_children(home.children);
    home.children.finish();
    if (home.first_value() == gather::none) {
        if (count_failed(slots) != works.size()) co_await this_task::checkpoint();
        rethrow_if(failure_of(home, slots));
    }
    co_return entries(slots);
}

}  // namespace rf::detail
