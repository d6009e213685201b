// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/owned.hpp>
#include <ringfence/runtime/task.hpp>
#include <ringfence/sync/detail/pipeline_stage.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

namespace rf::sync {

class pipeline;

struct stage_options {
    std::size_t workers = 1;     // items it works on at a time
    bool ordered = true;         // results leave in the order of their items; for a sink: it is
                                 // called in that order, as any is
    std::size_t capacity = 1;    // items that wait in front of it; 0: handed over from hand to hand
    const char* name = nullptr;  // for the task tree and statistics; outlives the pipeline
};

/// Where a source puts its items.
template <class T>
class pipeline_output {
public:
    explicit pipeline_output(detail::pipeline_queue<T>& to) noexcept : to_(to) {}
    /// Waits while the next stage is busy and its queue full. Cancel point.
    [[nodiscard]] task<> send(T item) { return to_.send(std::move(item)); }

private:
    detail::pipeline_queue<T>& to_;
};

/// A pipeline that is being put together, up to a stage that produces T.
template <class T>
class [[nodiscard("a pipeline ends in a sink")]] pipeline_end {
public:
    /// One more stage: `fn(T)` returns the result, or a task of it.
    template <class F>
        requires std::invocable<F&, T>
    auto stage(F fn, stage_options options = {}) &&;
    /// The last: `fn(T)` returns nothing, or task<>.
    template <class F>
        requires std::invocable<F&, T>
    void sink(F fn, stage_options options = {}) &&;

private:
    friend class pipeline;
    template <class>
    friend class pipeline_end;
    pipeline_end(pipeline& whole, detail::pipeline_link<T>& before) noexcept
        : whole_(whole), before_(before) {}
    pipeline& whole_;
    detail::pipeline_link<T>& before_;
};

/// A source, stages and a sink, each at work at the same time as the others.
///
///     rf::sync::pipeline import;
///     import.source<line>([&](rf::sync::pipeline_output<line>& out) { return read(file, out); })
///         .stage(parse, {.workers = 4})                 // in order all the same
///         .stage(look_up, {.workers = 50, .ordered = false})
///         .sink([&](row r) { return table.insert(std::move(r)); });
///     co_await import.run();
///
/// Back-pressure: a stage works on at most `workers` items and has at most `capacity` waiting, so a
///   slow one slows all before it, down to the source. In an ordered stage a worker whose result is
///   not next holds it until it is: `workers` bounds these, too.
/// Ends: run() returns when the source has returned and the last item has left the sink.
/// Failure: the first of any stage cancels all, and run() throws it. Items inside are destroyed.
/// Cancellation: run() is a cancel point; cancelled, all stages are, and items inside are
/// destroyed. Lifetime: outlives run(), and so does what its functions refer to. Threads: one loop.
/// Requires: items move without throwing. Functions are called by several workers in turn.
/// Cost: a task for each worker, made when run; no allocation an item beyond what functions do.
class pipeline {
public:
    explicit pipeline(std::source_location made = std::source_location::current()) noexcept
        : identity_{"pipeline", made} {}
    pipeline(const pipeline&) = delete;
    pipeline& operator=(const pipeline&) = delete;
    ~pipeline();

    /// The beginning: `produce(pipeline_output<T>&)` is a coroutine that sends items and returns
    /// when there are no more.
    template <class T, class F>
        requires std::same_as<std::invoke_result_t<F&, pipeline_output<T>&>, task<>>
    pipeline_end<T> source(F produce, const char* name = "source") {
        begin();
        return {*this, add<detail::pipeline_source<T, F>>(std::move(produce), name)};
    }

    /// Runs all stages to their end. A pipeline without a sink throws std::invalid_argument. One
    /// call at a time; a later one begins anew.
    [[nodiscard]] task<> run(std::source_location where = std::source_location::current());

    /// One for each stage, the source first.
    [[nodiscard]] std::vector<stage_statistics> statistics() const;

private:
    template <class>
    friend class pipeline_end;

    template <class Stage, class... Args>
    Stage& add(Args&&... args) {
        auto made = std::make_unique<Stage>(std::forward<Args>(args)...);
        Stage& stage = *made;
        stages_.push_back(std::move(made));
        return stage;
    }
    void begin() const;
    void check(const stage_options& options) const;

    detail::identity identity_;
    std::vector<rf::detail::owned<detail::pipeline_stage>> stages_;
    bool complete_ = false;
    bool running_ = false;
};

// Implementation

template <class T>
template <class F>
    requires std::invocable<F&, T>
auto pipeline_end<T>::stage(F fn, stage_options options) && {
    using result = detail::stage_result<F, T>;
    static_assert(!std::is_void_v<result>, "a stage has a result for the next; the last is a sink");
    whole_.check(options);
    return pipeline_end<result>(whole_, whole_.template add<detail::pipeline_middle<T, result, F>>(
                                            before_, std::move(fn), options.workers,
                                            options.ordered, options.capacity,
                                            options.name != nullptr ? options.name : "stage"));
}

template <class T>
template <class F>
    requires std::invocable<F&, T>
void pipeline_end<T>::sink(F fn, stage_options options) && {
    static_assert(std::is_void_v<detail::stage_result<F, T>>,
                  "a sink is the end: its function returns nothing, or task<>");
    whole_.check(options);
    whole_.template add<detail::pipeline_middle<T, void, F>>(
        before_, std::move(fn), options.workers, options.ordered, options.capacity,
        options.name != nullptr ? options.name : "sink");
    whole_.complete_ = true;
}

}  // namespace rf::sync
