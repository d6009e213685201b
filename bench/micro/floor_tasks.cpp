// SPDX-License-Identifier: MIT
#include "floor.hpp"
#include "micro.hpp"

#include <array>
#include <vector>

namespace {

using namespace floor_runtime;

child nothing() { co_return; }

[[gnu::noinline]] task<long> plus_one(long x) { co_return x + 1; }

child spawn_join(micro::stopwatch* watch, long count, long size) {
    watch->begin();
    for (long done = 0; done < count; done += size) {
        group children;
        for (long i = 0; i < size; ++i)
            spawn(children, nothing());
        co_await children;
    }
    watch->end(count);
}

child await_ready_child(micro::stopwatch* watch, long count) {
    long x = 0;
    watch->begin();
    for (long i = 0; i < count; ++i)
        x = co_await plus_one(x);
    watch->end(count);
    if (x != count) std::abort();
}

child yield_many(long count) {
    for (long i = 0; i < count; ++i)
        co_await yield{};
}

child yield_switch(micro::stopwatch* watch, long count) {
    group both;
    watch->begin();
    spawn(both, yield_many(count / 2));
    spawn(both, yield_many(count / 2));
    co_await both;
    watch->end(count);
}

// In a list from which any can be taken: as a timer is.
struct sleeper {
    sleeper* before = nullptr;
    sleeper* after = nullptr;
    std::coroutine_handle<> outermost;
};

struct sleep {
    sleeper* list;
    sleeper self{};
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept {
        self.before = list->before;
        self.after = list;
        self.before->after = &self;
        list->before = &self;
    }
    void await_resume() const noexcept {}
    explicit sleep(sleeper* of) noexcept : list(of) {}
    sleep(const sleep&) = delete;
    sleep& operator=(const sleep&) = delete;
    ~sleep() {
        self.before->after = self.after;
        self.after->before = self.before;
    }
};

task<long> sleep_deep(sleeper* list, int depth) {
    if (depth == 1)
        co_await sleep(list);
    else
        co_await sleep_deep(list, depth - 1);
    co_return 0;
}

child sleep_one(sleeper* list, int depth) {
    if (depth == 1)
        co_await sleep(list);
    else
        co_await sleep_deep(list, depth - 1);
}

// Destroying the outermost frame destroys what it awaits, as deep as it goes.
void cancel_sleepers(micro::stopwatch* watch, long count, int depth) {
    sleeper list;
    list.before = list.after = &list;
    group home;
    std::vector<std::coroutine_handle<>> tasks;
    tasks.reserve(static_cast<std::size_t>(count));
    for (long i = 0; i < count; ++i) {
        const child made = sleep_one(&list, depth);
        spawn(home, made);
        tasks.push_back(made.promise->handle);
    }
    run_ready();
    watch->begin();
    for (const std::coroutine_handle<> one : tasks) {
        one.destroy();
        home.left();
    }
    watch->end(count);
    if (list.after != &list || !home.await_ready()) std::abort();
}

constexpr std::array benches{
    micro::floor_bench{"floor_spawn_join_1",
                       [](micro::stopwatch* watch, long n) { run(spawn_join(watch, n, 1)); }},
    micro::floor_bench{"floor_spawn_join_100",
                       [](micro::stopwatch* watch, long n) { run(spawn_join(watch, n, 100)); }},
    micro::floor_bench{"floor_spawn_join_1m",
                       [](micro::stopwatch* watch, long n) { run(spawn_join(watch, n, n)); }},
    micro::floor_bench{"floor_await_ready_child",
                       [](micro::stopwatch* watch, long n) { run(await_ready_child(watch, n)); }},
    micro::floor_bench{"floor_yield_switch",
                       [](micro::stopwatch* watch, long n) { run(yield_switch(watch, n)); }},
    micro::floor_bench{"floor_cancel_100k_depth1_ms",
                       [](micro::stopwatch* watch, long n) { cancel_sleepers(watch, n, 1); }},
    micro::floor_bench{"floor_cancel_100k_depth3_ms",
                       [](micro::stopwatch* watch, long n) { cancel_sleepers(watch, n, 3); }},
};

}  // namespace

std::span<const micro::floor_bench> micro::task_floors() { return benches; }
