// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/checkpoint.hpp>
#include <ringfence/runtime/detail/body.hpp>
#include <ringfence/runtime/detail/gather.hpp>
#include <ringfence/runtime/task.hpp>

#include <concepts>
#include <cstdint>
#include <deque>
#include <functional>
#include <source_location>
#include <span>  // for the concepts of ranges, without the views: <ranges> takes long to compile
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace rf::detail {

/// A range, owned or referred to, and how its items travel to the function. `Range` is deduced from
/// a forwarding reference: `R&` is referred to, and `R` is moved in.
template <class Range>
class range_source {
public:
    using reference = std::ranges::range_reference_t<Range>;
    /// It was moved in, so its items are ours to move on.
    static constexpr bool owned =
        !std::is_lvalue_reference_v<Range> && !std::ranges::view<std::remove_cvref_t<Range>>;
    /// Items stay where they are while later ones are read.
    static constexpr bool stable =
        std::is_lvalue_reference_v<reference> && std::ranges::forward_range<Range>;

    explicit range_source(Range&& range) : items(std::forward<Range>(range)) {}

    Range items;  // the range itself, or a reference to it
};

/// One item on its way to its call: a reference where the item stays, a copy where it does not.
/// Called once, in the child's record, which lives as long as the call.
template <class F, class Source>
class item_call {
public:
    using reference = typename Source::reference;
    using item = std::remove_cvref_t<reference>;
    using value_argument = std::conditional_t<std::invocable<F&, item&&>, item&&, item&>;
    /// What the function is called with.
    using argument = std::conditional_t<
        !Source::stable, value_argument,
        std::conditional_t<Source::owned && std::invocable<F&, item&&>, item&&, reference>>;

    item_call(F& fn, reference from) : fn_(&fn), kept_(keep(from)) {}

    decltype(auto) operator()() {
        if constexpr (Source::stable)
            return std::invoke(*fn_, static_cast<argument>(*kept_));
        else
            return std::invoke(*fn_, static_cast<argument>(kept_));
    }

private:
    using kept = std::conditional_t<Source::stable,
                                    std::add_pointer_t<std::remove_reference_t<reference>>, item>;
    static kept keep(reference& from) {
        if constexpr (Source::stable)
            return &from;
        else
            return item(std::forward<reference>(from));
    }

    F* fn_;
    kept kept_;
};

/// A function of one item of the range that returns a task or an operation.
template <class F, class Range>
concept item_function = std::ranges::viewable_range<Range> &&
                        async_callable<F&, typename item_call<F, range_source<Range>>::argument>;

template <class F, class Source>
using item_result_of = call_result<F&, typename item_call<F, Source>::argument>;
template <class F, class Range>
using item_result = item_result_of<F, range_source<Range>>;

/// Waits until the nursery has fewer children than its limit. Nothing is started: the one task that
/// starts children does that next.
class [[nodiscard]] room_awaiter final : public spawn_waiter {
public:
    explicit room_awaiter(nursery_core& home) noexcept : home_(home) {}
    [[nodiscard]] bool await_ready() const noexcept {
        return !cancel_requested() && home_.has_room();
    }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (enter()) home_.wait_for_room(*this);
    }
    void await_resume() const noexcept {}
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        unlink();
        return cancel_outcome::removed;
    }
    void start_now() override { resume(); }
    void describe(wait_description& out) const override {
        out.kind = "nursery";
        out.what = "one of " + std::to_string(home_.size()) + " concurrent calls to end";
        out.object = &home_;
        out.owner = "the calls";
    }
    void owners(wait_owners& out) const override { out.any_child(home_); }

private:
    nursery_core& home_;
};

/// Takes items and starts their calls, as the body of the nursery. `start(call)` starts one.
template <class Source, class F, class Start>
task<void> feed_items(nursery_core& home, Source& source, F& fn, Start start) {
    co_await room_awaiter(home);
    auto at = std::ranges::begin(source.items);
    while (at != std::ranges::end(source.items)) {
        start(item_call<F, Source>(fn, *at));
        co_await room_awaiter(home);
        ++at;
    }
}

inline void refuse_no_limit(std::uint32_t limit) {
    if (limit == 0)
        RF_THROW(std::invalid_argument("a limit of 0 concurrent calls would never get anything "
                                       "done: give at least 1"));
}

template <class Source, class F>
task<void> visit_concurrently(Source source, std::uint32_t limit, F fn) {
    refuse_no_limit(limit);
    const std::source_location where = awaiting_line();
    nursery_core home(nursery_options{.limit = limit, .name = "for_each_concurrent"}, where);
    home.open(slot.current->scope, slot.current);
    auto start = [&home, where](item_call<F, Source>&& call) {
        start_child<no_extra>(home, home.scope(), where, false, std::move(call));
    };
    outcome<void> end =
        co_await body_awaiter<void>(feed_items<Source, F>(home, source, fn, start), &home.scope());
    home.close_body(end.error());
    co_await join_children(home);
    home.finish();
    throw_failure(home);
    const bool all = end.has_value() && home.statistics().cancelled == 0;
    if (!all) co_await this_task::checkpoint();
}

template <class T>
std::vector<held<T>> take_all(std::deque<gather_slot<T>>& slots) {
    std::vector<held<T>> results;
    results.reserve(slots.size());
    for (gather_slot<T>& each : slots)
        results.push_back(take_held(each.end));
    return results;
}

template <class Source, class F>
task<std::vector<held<item_result_of<F, Source>>>> map_concurrently(Source source,
                                                                    std::uint32_t limit, F fn) {
    refuse_no_limit(limit);
    using result = item_result_of<F, Source>;
    std::deque<gather_slot<result>> slots;  // a deque: children hold the addresses of theirs
    gather home(gather_rule::all, nursery_options{.limit = limit, .name = "map_concurrent"},
                awaiting_line());
    auto start = [&home, &slots](item_call<F, Source>&& call) {
        start_gathered(home, slots.emplace_back(), slots.size() - 1, std::move(call));
    };
    outcome<void> end = co_await body_awaiter<void>(
        feed_items<Source, F>(home.children, source, fn, start), &home.children.scope());
    home.children.close_body(end.error());
    co_await join_children(home.children);
    home.children.finish();
    throw_failure(home.children);
    const bool all = end.has_value() && home.children.statistics().cancelled == 0;
    if (!all) co_await this_task::checkpoint();
    co_return take_all(slots);
}

}  // namespace rf::detail
