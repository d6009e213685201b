// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/race_core.hpp>
#include <ringfence/runtime/losers.hpp>
#include <ringfence/runtime/task.hpp>

#include <cstddef>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace rf {

/// Runs everything it is given at the same time; the first success wins, the rest is cancelled.
///
///     auto won = co_await rf::race(connect(v6), connect(v4));     // won.index() says who
///
/// Returns when all are gone: the losers have let go of whatever they held. The result is a variant
/// with one alternative per racer, its index the winner's (rf::unit for void); for a vector of
/// work, a race_winner. Work is what rf::when_all takes. A loser that finished in spite of its
/// cancel is handed to the disposal of `rest`, or destroyed.
///
/// Errors: a failing racer is out of the race. When all have failed, the first failure in time is
///   thrown; losers::report_to() and race_keep_all() give the others.
/// Cancellation: cancelled from outside, cancels all, waits for them, and unwinds; a success that
///   comes in spite of that wins.
/// Threads: one loop. Cost: two blocks from the frame pool per racer, one for the call.
template <detail::work... W>
    requires(sizeof...(W) > 0)
[[nodiscard]] task<detail::race_variant<W...>> race(W... works) {
    return detail::race_tuple<detail::destroy_loser, W...>(
        detail::gather_rule::first_value, losers(), std::tuple<W...>(std::move(works)...));
}
template <class D, detail::work... W>
    requires(sizeof...(W) > 0)
[[nodiscard]] task<detail::race_variant<W...>> race(losers<D> rest, W... works) {
    return detail::race_tuple<D, W...>(detail::gather_rule::first_value, std::move(rest),
                                       std::tuple<W...>(std::move(works)...));
}
/// Throws std::invalid_argument if there is nobody in the race.
template <detail::work W>
[[nodiscard]] task<race_winner<detail::work_result<W>>> race(std::vector<W> works) {
    return detail::race_vector<detail::destroy_loser, W>(detail::gather_rule::first_value, losers(),
                                                         std::move(works));
}
template <class D, detail::work W>
[[nodiscard]] task<race_winner<detail::work_result<W>>> race(losers<D> rest, std::vector<W> works) {
    return detail::race_vector<D, W>(detail::gather_rule::first_value, std::move(rest),
                                     std::move(works));
}

/// The same, but the first to end decides, either way: its value is returned, its failure thrown.
template <detail::work... W>
    requires(sizeof...(W) > 0)
[[nodiscard]] task<detail::race_variant<W...>> race_first_done(W... works) {
    return detail::race_tuple<detail::destroy_loser, W...>(detail::gather_rule::first_end, losers(),
                                                           std::tuple<W...>(std::move(works)...));
}
template <class D, detail::work... W>
    requires(sizeof...(W) > 0)
[[nodiscard]] task<detail::race_variant<W...>> race_first_done(losers<D> rest, W... works) {
    return detail::race_tuple<D, W...>(detail::gather_rule::first_end, std::move(rest),
                                       std::tuple<W...>(std::move(works)...));
}
template <detail::work W>
[[nodiscard]] task<race_winner<detail::work_result<W>>> race_first_done(std::vector<W> works) {
    return detail::race_vector<detail::destroy_loser, W>(detail::gather_rule::first_end, losers(),
                                                         std::move(works));
}
template <class D, detail::work W>
[[nodiscard]] task<race_winner<detail::work_result<W>>> race_first_done(losers<D> rest,
                                                                        std::vector<W> works) {
    return detail::race_vector<D, W>(detail::gather_rule::first_end, std::move(rest),
                                     std::move(works));
}

/// The same as race(), but nothing is thrown away: what each racer came to, in order, a race_entry
/// each. At least one of them is a success.
template <detail::work... W>
    requires(sizeof...(W) > 0)
[[nodiscard]] task<std::tuple<race_entry<detail::work_result<W>>...>> race_keep_all(W... works) {
    return detail::race_kept<W...>(std::tuple<W...>(std::move(works)...));
}
template <detail::work W>
[[nodiscard]] task<std::vector<race_entry<detail::work_result<W>>>> race_keep_all(
    std::vector<W> works) {
    return detail::race_kept_vector<W>(std::move(works));
}

}  // namespace rf
