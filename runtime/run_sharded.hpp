// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/shard.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <pthread.h>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace rf {

struct sharded_options {
    /// As for rf::run, for each shard: limits and ring are those of one loop. Signals are those of
    /// the whole: the first drains all shards, the second cancels all, the third aborts with every
    /// shard's task tree. `observer` has to be null: it is one loop's.
    run_options run{};
    /// Binds each shard's thread to one processor of those the process may use, in turn. Where
    /// there are fewer than shards, some share one.
    bool pin = false;
    /// Makes what looks into each shard, as run_options::observer looks into a run;
    /// leakcheck::watch_shards() is one.
    observer_factory observer_of{};
};

/// How a sharded run ended.
struct sharded_report {
    /// Of all together. `error` is that of the shard that failed first, `final` the sum, and
    /// `leaks` and `faults` say which shard.
    run_report whole;
    int failed_shard = -1;           // whose error it is
    std::vector<run_report> shards;  // of each, by index; empty if they could not start
};

/// Runs `fn()` or `fn(rf::shard)`, a task<> or task<int>, on each of `count` shards: a loop with a
/// ring, a thread, a registry of tasks and a frame pool of its own. 0: as many as there are
/// processors that the process may use, see usable_processors(). The calling thread runs shard 0.
///
///     int main() {
///         return rf::run_sharded(0, [] { return service(); }, {.run = {.stop_on = {SIGTERM}}});
///     }
///
/// `fn` is copied for each shard. Tasks stay on their shard; a nursery has children on others by
/// nursery::spawn_on, and values pass through sync::shared_channel.
///
/// Returns when the programs and daemons of all shards are gone. A shard whose program has ended
/// goes on serving the others until then: it runs what they spawn on it, and loses no message. A
/// shard that fails cancels the others. Its error is the one that is reported, or with
/// run_options::errors rethrown: on the calling thread, when all shards have ended and their
/// threads are joined. Errors of shards that failed after it are printed.
///
/// Status: as rf::run; of programs that return an int, the first that is not 0, by index.
/// Errors: where a shard's thread, ring or observer cannot be had, none starts, and the refusal
///   names the shard, the cause and the remedy.
/// Deadlock: shards wait for each other, so rf::run's proof of a deadlock is not made here; the
///   task trees on SIGQUIT say what each task waits for.
template <class F>
[[nodiscard]] int run_sharded(std::uint32_t count, F fn, const sharded_options& options = {},
                              std::source_location where = std::source_location::current());

/// The same, with everything there is to know in place of printed lines.
template <class F>
[[nodiscard]] sharded_report run_sharded_and_report(
    std::uint32_t count, F fn, const sharded_options& options = {},
    std::source_location where = std::source_location::current());

/// Prints what went wrong on any shard to standard error, if anything did. Returns the exit status.
int print_report(const sharded_report& report) noexcept;

// Implementation

namespace detail {

class shard_set;

/// Where tests step in: how the driver and the thread of a shard are made.
struct shard_makers {
    /// Null, with a sentence in `refusal`, if there can be none.
    std::function<std::unique_ptr<driver>(std::uint32_t index, std::string& refusal)> kernel;
    /// 0, or the error of pthread_create. `thread` is to be joined.
    int (*thread)(pthread_t* thread, void* (*body)(void*), void* argument) = nullptr;
};

[[nodiscard]] sharded_report run_shards(std::vector<program> programs,
                                        const sharded_options& options, const shard_makers& makers,
                                        std::source_location where);

/// Prints what went wrong, or throws it where `errors` says so. Returns the exit status.
[[nodiscard]] int end_run(sharded_report report, on_error errors);

/// Puts the shards' reports together.
void sum_up(const shard_set& set, sharded_report& report);

/// The number of shards that `count` asks for.
[[nodiscard]] std::uint32_t shard_count(std::uint32_t count) noexcept;

template <class F>
std::vector<program> shard_programs(std::uint32_t count, const F& fn) {
    std::vector<program> programs;
    for (std::uint32_t index = 0; index < count; ++index) {
        if constexpr (std::invocable<F&, shard>) {
            auto with_shard = [mine = fn]() mutable { return mine(this_shard()); };
            programs.push_back(
                [mine = std::move(with_shard)]() mutable { return call_program(mine); });
        } else {
            programs.push_back([mine = fn]() mutable { return call_program(mine); });
        }
    }
    return programs;
}

}  // namespace detail

template <class F>
sharded_report run_sharded_and_report(std::uint32_t count, F fn, const sharded_options& options,
                                      std::source_location where) {
    static_assert(
        detail::task_callable<F&> || detail::task_callable<F&, shard>,
        "rf::run_sharded takes a function, of nothing or of an rf::shard, that returns "
        "rf::task<> or rf::task<int>: rf::run_sharded(n, f), not rf::run_sharded(n, f())");
    static_assert(std::copy_constructible<F>,
                  "rf::run_sharded copies the function for each shard: its captures have to be "
                  "copyable");
    return detail::run_shards(detail::shard_programs(detail::shard_count(count), fn), options, {},
                              where);
}

template <class F>
int run_sharded(std::uint32_t count, F fn, const sharded_options& options,
                std::source_location where) {
    return detail::end_run(run_sharded_and_report(count, std::move(fn), options, where),
                           options.run.errors);
}

}  // namespace rf
