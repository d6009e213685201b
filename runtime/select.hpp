// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/select_all.hpp>
#include <ringfence/runtime/detail/select_list.hpp>

#include <source_location>
#include <utility>
#include <vector>

namespace rf {

/// Waits until one of several operations can be done, does that one, and leaves the others
/// untouched: nothing received, sent, locked or taken by them.
///
///     auto won = co_await rf::select(jobs.receive(), quit.wait(), rf::sleep_for(1s));
///     switch (won.index()) {
///     case 0: handle(std::get<0>(won)); break;
///     case 1: co_return;
///     case 2: report_silence(); break;
///     }
///
/// A case is any operation that can be taken back at once: receiving from and sending to a channel,
/// locks, permits and events of sync/, sleeping, a join_handle, readiness, reading and accepting,
/// as_result() of these, another select, an awaiter of your own (rule 6 of rf::waiter). A kernel
/// request or a task is not; for these there is rf::race, which waits for its losers.
///
/// Order: of several cases that are ready a random one is taken, so that none starves; with
/// rf::biased the first. When none is ready the first to become so wins. A value that a losing send
/// was given by rvalue stays with the caller.
/// Result: a std::variant with one alternative a case, rf::unit for void; index() is the case's
///   place. rf::otherwise adds an alternative.
/// Cancellation: a cancel point, even if a case is ready. Cancelled, no case has taken effect.
/// Errors: what the winning operation throws. Threads: one loop. Cost: no allocation; the cases lie
///   in the awaiting frame.
template <class... Operations>
    requires(sizeof...(Operations) > 0)
[[nodiscard]] auto select(Operations&&... operations) {
    return detail::make_select<true>(std::forward<Operations>(operations)...);
}
template <class... Operations>
    requires(sizeof...(Operations) > 0)
[[nodiscard]] auto select(biased_t, Operations&&... operations) {
    return detail::make_select<false>(std::forward<Operations>(operations)...);
}

/// The same over a list made at run time, of operations of one type:
///
///     std::vector<decltype(jobs.receive())> waits;
///     for (auto& queue : queues) waits.push_back(queue.receive());
///     auto won = co_await rf::select_any(std::move(waits));     // won.index, won.value
///
/// An empty list throws std::invalid_argument. Cost: one allocation.
template <class Operation>
[[nodiscard]] detail::select_list_awaiter<Operation> select_any(
    std::vector<Operation> operations,
    std::source_location where = std::source_location::current()) {
    return detail::select_list_awaiter<Operation>(std::move(operations), {}, where);
}
template <class Operation>
[[nodiscard]] detail::select_list_awaiter<Operation> select_any(
    biased_t, std::vector<Operation> operations,
    std::source_location where = std::source_location::current()) {
    return detail::select_list_awaiter<Operation>(std::move(operations), {.fair = false}, where);
}
/// Does not wait: if no case is ready, the index is the size of the list and there is no value.
template <class Operation>
[[nodiscard]] detail::select_list_awaiter<Operation> select_any(std::vector<Operation> operations,
                                                                otherwise_t) {
    return detail::select_list_awaiter<Operation>(std::move(operations), {.may_wait = false}, {});
}
template <class Operation>
[[nodiscard]] detail::select_list_awaiter<Operation> select_any(biased_t,
                                                                std::vector<Operation> operations,
                                                                otherwise_t) {
    return detail::select_list_awaiter<Operation>(std::move(operations),
                                                  {.fair = false, .may_wait = false}, {});
}

}  // namespace rf
