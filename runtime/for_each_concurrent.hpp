// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/concurrent_items.hpp>
#include <ringfence/runtime/detail/gather.hpp>
#include <ringfence/runtime/task.hpp>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace rf {

/// Calls `fn(item)`, which returns a task or an operation, for each item of `range`, and awaits
/// what it returns, at most `limit` of them at a time.
///
///     co_await rf::for_each_concurrent(urls, 8, [&](const std::string& url) -> rf::task<> { ...
///     });
///
/// The next item is taken from the range only when there is room for it: a range may be endless, or
/// compute what it yields. A range passed by std::move or as a temporary is kept here and its items
/// are moved into `fn`; any other is referred to and outlives the call. Items of a range that is
/// read once (std::ranges::input_range and no more) are copied into the call that handles them.
/// `fn` is kept here and shared by all calls. `limit` is at least 1; zero throws
/// std::invalid_argument.
///
/// Errors: the first failure in time, of a call or of the range itself, cancels the others, takes
///   no further item, and is thrown when all are gone.
/// Cancellation: each item is a cancel point, and so is an empty range. Cancelled from outside, it
///   takes no further item, waits for the calls and unwinds; if all have finished in spite of that,
///   so has this.
/// Threads: one loop. Cost: two blocks from the frame pool per item, freed when its call ends.
template <std::ranges::input_range Range, class F>
    requires detail::item_function<F, Range>
[[nodiscard]] task<void> for_each_concurrent(Range&& range, std::uint32_t limit, F fn) {
    return detail::visit_concurrently<detail::range_source<Range>>(
        detail::range_source<Range>(std::forward<Range>(range)), limit, std::move(fn));
}

/// The same, and returns the results in the order of the items (rf::unit for void).
template <std::ranges::input_range Range, class F>
    requires detail::item_function<F, Range>
[[nodiscard]] auto map_concurrent(Range&& range, std::uint32_t limit, F fn)
    -> task<std::vector<detail::held<detail::item_result<F, Range>>>> {
    return detail::map_concurrently<detail::range_source<Range>>(
        detail::range_source<Range>(std::forward<Range>(range)), limit, std::move(fn));
}

}  // namespace rf
