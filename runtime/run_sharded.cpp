// SPDX-License-Identifier: MIT
#include <ringfence/runtime/run_sharded.hpp>

#include <ringfence/runtime/detail/exception_text.hpp>
#include <ringfence/runtime/detail/shard_run.hpp>
#include <ringfence/runtime/detail/shard_set.hpp>
#include <ringfence/runtime/processors.hpp>
#include <ringfence/runtime/uring_driver.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <utility>

namespace rf::detail {
namespace {

// Where shards wait until all of them could be made, or one could not.
class start_line {
public:
    explicit start_line(std::uint32_t count) noexcept : missing_(count) {}

    /// The shard is there; with a refusal, it is not. Waits for the others: whether to go.
    [[nodiscard]] bool arrive(std::uint32_t index, std::uint32_t count,
                              const std::string& refusal) {
        std::unique_lock lock(lock_);
        if (!refusal.empty()) refuse(index, count, refusal);
        if (--missing_ == 0) all_here_.notify_all();
        all_here_.wait(lock, [&] { return missing_ == 0; });
        return refusal_.empty();
    }

    /// Shards from `index` on will not come: the thread for that one could not be started.
    void give_up(std::uint32_t index, std::uint32_t count, int error) {
        const std::lock_guard lock(lock_);
        refuse(index, count,
               fmt::format("its thread could not be started ({}): raise the limit on threads "
                           "(ulimit -u, or pids.max of the container), or run fewer shards",
                           std::strerror(error)));
        missing_ -= count - index;
        if (missing_ == 0) all_here_.notify_all();
    }

    [[nodiscard]] const std::string& refusal() const noexcept { return refusal_; }

private:
    void refuse(std::uint32_t index, std::uint32_t count, const std::string& why) {
        if (!refusal_.empty()) return;
        refusal_ = fmt::format("shard {} of {} cannot start: {}", index, count, why);
    }

    std::mutex lock_;
    std::condition_variable all_here_;
    std::uint32_t missing_;
    std::string refusal_;  // the first
};

struct shared_start {
    shard_set set;
    start_line line;
    std::vector<program>& programs;
    const sharded_options& options;
    const shard_makers& makers;
    std::vector<run_report>& reports;
    std::vector<int> processors;  // to pin to; empty: none
    std::source_location where;
};

struct shard_thread {
    shared_start* shared = nullptr;
    std::uint32_t index = 0;
    pthread_t thread{};
};

std::string pin_to(int processor) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(processor), &one);
    const int error = pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    if (error == 0) return {};
    return fmt::format("its thread cannot be bound to processor {} ({}): leave out "
                       "sharded_options::pin",
                       processor, std::strerror(error));
}

std::unique_ptr<driver> make_kernel(const shared_start& shared, std::uint32_t index,
                                    std::string& refusal) {
    if (!shared.processors.empty()) {
        refusal = pin_to(shared.processors[index % shared.processors.size()]);
        if (!refusal.empty()) return nullptr;
    }
    if (shared.makers.kernel) return shared.makers.kernel(index, refusal);
    return make_uring_driver(shared.options.run.ring, refusal);
}

void run_shard(shared_start& shared, std::uint32_t index) {
    const std::uint32_t count = shared.set.size();
    std::string refusal;
    std::unique_ptr<driver> kernel = make_kernel(shared, index, refusal);
    if (kernel == nullptr) {
        (void)shared.line.arrive(index, count, refusal);
        return;
    }
    shard_run mine(shared.set.at(index), shared.programs[index], shared.options.run,
                   std::move(kernel), shared.reports[index], shared.where);
    refusal = mine.watch(shared.options.observer_of);
    if (!shared.line.arrive(index, count, refusal)) return;
    mine.begin(index == 0);
    mine.run();
    mine.finish();
}

void* thread_body(void* argument) {
    auto& self = *static_cast<shard_thread*>(argument);
    (void)pthread_setname_np(pthread_self(), fmt::format("rf-shard-{}", self.index).c_str());
    run_shard(*self.shared, self.index);
    return nullptr;
}

int start_thread(pthread_t* thread, void* (*body)(void*), void* argument) {
    return pthread_create(thread, nullptr, body, argument);
}

// Runs all shards, the first on this thread, and joins the others.
void run_all(shared_start& shared) {
    const std::uint32_t count = shared.set.size();
    const auto start = shared.makers.thread != nullptr ? shared.makers.thread : &start_thread;
    std::vector<shard_thread> threads(count);
    std::uint32_t started = 1;
    for (; started < count; ++started) {
        shard_thread& next = threads[started];
        next.shared = &shared;
        next.index = started;
        const int error = start(&next.thread, thread_body, &next);
        if (error == 0) continue;
        shared.line.give_up(started, count, error);
        break;
    }
    cpu_set_t before;
    const bool restore = !shared.processors.empty() &&
                         pthread_getaffinity_np(pthread_self(), sizeof before, &before) == 0;
    run_shard(shared, 0);
    if (restore) (void)pthread_setaffinity_np(pthread_self(), sizeof before, &before);
    for (std::uint32_t index = 1; index < started; ++index)
        pthread_join(threads[index].thread, nullptr);
}

void add(accounting& sum, const accounting& one) noexcept {
    sum.tasks_live += one.tasks_live;
    sum.tasks_peak += one.tasks_peak;
    sum.tasks_started += one.tasks_started;
    sum.tasks_cancelled += one.tasks_cancelled;
    sum.tasks_failed += one.tasks_failed;
    sum.operations += one.operations;
    sum.operations_started += one.operations_started;
    sum.timers += one.timers;
    sum.buffers += one.buffers;
    sum.descriptors += one.descriptors;
    sum.offload_jobs += one.offload_jobs;
}

}  // namespace

void sum_up(const shard_set& set, sharded_report& report) {
    run_report& whole = report.whole;
    whole.error = set.error();
    report.failed_shard = set.failed_shard();
    whole.stopped_by = set.stopped_by();
    if (set.cancelled_by() != 0) whole.status = 128 + set.cancelled_by();
    if (whole.status == 0 && whole.error != nullptr) whole.status = exit_status_failure;
    for (std::size_t index = 0; index < report.shards.size(); ++index) {
        const run_report& one = report.shards[index];
        if (whole.status == 0) whole.status = one.status;
        whole.cancelled = whole.cancelled || one.cancelled;
        add(whole.final, one.final);
        if (!one.leaks.empty()) whole.leaks += fmt::format("shard {}: {}", index, one.leaks);
        for (const std::string& fault : one.faults)
            whole.faults.push_back(fmt::format("shard {}: {}", index, fault));
    }
}

int end_run(sharded_report report, [[maybe_unused]] on_error errors) {
#if RF_EXCEPTIONS
    if (errors == on_error::rethrow && report.whole.error != nullptr) {
        const std::exception_ptr error = std::exchange(report.whole.error, nullptr);
        rf::print_report(report);
        std::rethrow_exception(error);
    }
#endif
    return rf::print_report(report);
}

std::uint32_t shard_count(std::uint32_t count) noexcept {
    return count != 0 ? count : usable_processors();
}

sharded_report run_shards(std::vector<program> programs, const sharded_options& options,
                          const shard_makers& makers, std::source_location where) {
    RF_ASSERT(options.run.observer == nullptr,
              "run_options::observer looks into one loop, and run_sharded has several: give it "
              "sharded_options::observer_of, as leakcheck::watch_shards(), which makes one for "
              "each");
    const auto count = static_cast<std::uint32_t>(programs.size());
    sharded_report report;
    report.shards.resize(count);
    shared_start shared{shard_set(count, options.run.drain_grace),
                        start_line(count),
                        programs,
                        options,
                        makers,
                        report.shards,
                        options.pin ? allowed_processors() : std::vector<int>(),
                        where};
    run_all(shared);
    if (!shared.line.refusal().empty()) {
        report.whole.refusal = shared.line.refusal();
        report.whole.status = exit_status_failure;
        report.shards.clear();
    } else {
        sum_up(shared.set, report);
    }
    return report;
}

}  // namespace rf::detail

int rf::print_report(const sharded_report& report) noexcept {
    const int status =
        detail::print_report(report.whole, fmt::format(" on shard {}", report.failed_shard));
    for (std::size_t index = 0; index < report.shards.size(); ++index) {
        const run_report& one = report.shards[index];
        if (one.error == nullptr || static_cast<int>(index) == report.failed_shard) continue;
        std::fprintf(stderr, "ringfence: shard %zu failed, too: %s\n", index,
                     detail::exception_text(one.error).c_str());
    }
    return status;
}
