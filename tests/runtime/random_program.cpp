// SPDX-License-Identifier: MIT
#include "random_program.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/finally.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <chrono>
#include <random>

#if RF_EXCEPTIONS

namespace test {
namespace {

using std::chrono::milliseconds;

class generator {
public:
    explicit generator(std::uint64_t seed) : random_(seed) {}

    node make(int depth) {
        node made;
        made.what = depth == 0 ? leaf() : static_cast<action>(below(11));
        made.span_ms = static_cast<std::int64_t>(below(12));
        std::size_t count = 0;
        switch (made.what) {
        case action::sleep:
        case action::yield:
        case action::fail: break;
        case action::block: count = below(4); break;
        case action::nursery:
            count = 1 + below(5);
            made.policy = static_cast<rf::failure_policy>(below(3));
            made.places = below(3) == 0 ? 2 : 0;
            made.ways = static_cast<std::uint32_t>(random_());
            made.cancels_itself = below(6) == 0;
            break;
        case action::cleanup: count = 2; break;
        default: count = 1; break;
        }
        for (std::size_t i = 0; i < count; ++i)
            made.below.push_back(make(depth - 1));
        if (made.what == action::cleanup) made.below[1] = tame(made.below[1].span_ms);
        made.may_overstay = made.what == action::shield || made.what == action::cleanup;
        for (const node& one : made.below)
            made.may_overstay |= one.may_overstay;
        return made;
    }

private:
    std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }
    action leaf() {
        const std::size_t draw = below(8);
        return draw < 5 ? action::sleep : draw < 7 ? action::yield : action::fail;
    }
    // A cleanup that fails replaces what it cleans up after; here every failure is to be found
    // again.
    static node tame(std::int64_t span_ms) {
        node made;
        made.span_ms = span_ms;
        return made;
    }
    std::mt19937_64 random_;
};

/// What the test knows of one nursery.
struct nursery_watch {
    history& so_far;
    const node& program;
    int live = 0;
    int first_failure = -1;

    nursery_watch(history& book, const node& at) : so_far(book), program(at) {}
    nursery_watch(const nursery_watch&) = delete;
    ~nursery_watch() { so_far.expect(live == 0, "a nursery was left before its children"); }
};

struct counted {
    explicit counted(int& to) : live(to) { ++live; }
    counted(const counted&) = delete;
    ~counted() { --live; }
    int& live;
};

rf::task<> run_child(nursery_watch& watch, const node& program) {
    const counted inside(watch.live);
    try {
        co_await execute(watch.so_far, program);
    } catch (const failure& thrown) {
        if (watch.first_failure < 0 && watch.program.policy != rf::isolate)
            watch.first_failure = thrown.id;
        throw;
    }
}

rf::task<> run_started(rf::started<int> ready, nursery_watch& watch, const node& program) {
    const counted inside(watch.live);
    co_await rf::sleep_for(milliseconds(program.span_ms));
    ready(7);
    co_await rf::sleep_for(milliseconds(program.span_ms));
}

rf::task<> spawn_children(rf::nursery& jobs, nursery_watch& watch) {
    const node& program = watch.program;
    for (std::size_t i = 1; i < program.below.size(); ++i) {
        const node& child = program.below[i];
        switch (program.ways >> (2 * i) & 3u) {
        case 0: co_await jobs.spawn_when_free(run_child, std::ref(watch), std::cref(child)); break;
        case 1: jobs.spawn_service(run_child, std::ref(watch), std::cref(child)); break;
        case 2: (void)jobs.try_spawn(run_child, std::ref(watch), std::cref(child)); break;
        default:
            if (program.places == 0) {
                const int said =
                    co_await jobs.start<int>(run_started, std::ref(watch), std::cref(child));
                watch.so_far.expect(said == 7, "start gave another value");
            }
            break;
        }
    }
}

rf::task<> run_body(rf::nursery& jobs, nursery_watch& watch) {
    try {
        co_await spawn_children(jobs, watch);
        co_await execute(watch.so_far, watch.program.below[0]);
    } catch (const failure& thrown) {
        if (watch.first_failure < 0) watch.first_failure = thrown.id;
        throw;
    }
    if (watch.program.cancels_itself) jobs.cancel("by its body");
}

int id_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const failure& thrown) {
        return thrown.id;
    } catch (...) {
        return -1;
    }
}

rf::task<> run_nursery(history& so_far, const node& program) {
    nursery_watch watch(so_far, program);
    int thrown = -1;
    const rf::nursery_options options{.on_failure = program.policy, .limit = program.places};
    const auto body = [&watch](rf::nursery& jobs) -> rf::task<> {
        jobs.on_child_failure([&watch](const rf::child_failure& heard) {
            watch.so_far.handled.insert(id_of(heard.error));
        });
        return run_body(jobs, watch);
    };
    try {
        co_await rf::with_nursery(options, body);
    } catch (const failure& error) {
        thrown = error.id;
    }
    so_far.expect(thrown == watch.first_failure, "not the first failure was thrown");
    if (thrown >= 0) throw failure(thrown);
}

rf::task<> run_scope(history& so_far, const node& program) {
    rf::cancel_scope scope;
    const node& inside = program.below[0];
    const auto cancel_later = [&]() -> rf::task<> {
        co_await rf::sleep_for(milliseconds(program.span_ms));
        scope.cancel("by a sibling");
    };
    const auto body = [&](rf::nursery& jobs) -> rf::task<> {
        jobs.spawn_service(cancel_later);
        const auto work = [&] { return execute(so_far, inside); };
        const bool finished = co_await scope.run(work);
        so_far.expect(finished || scope.cancelled(), "a scope gave nothing and was not cancelled");
    };
    co_await rf::with_nursery(body);
}

rf::task<> run_limited(history& so_far, const node& program) {
    const milliseconds limit(program.span_ms);
    const rf::instant begin = rf::loop::here().now();
    const auto work = [&] { return execute(so_far, program.below[0]); };
    bool timed_out = false;
    try {
        if (program.what == action::timeout)
            co_await rf::with_timeout(limit, work);
        else if (program.what == action::shield)
            co_await rf::shield(limit, work);
        else
            timed_out = !co_await rf::move_on_after(limit, work);
    } catch (const rf::timeout_error&) {
        timed_out = true;
    }
    const auto took = std::chrono::nanoseconds(rf::loop::here().now() - begin);
    so_far.expect(!timed_out || took >= limit, "a limit came too early");
    if (!program.below[0].may_overstay)
        so_far.expect(took <= limit + milliseconds(1), "a limit came too late");
}

rf::task<> run_cleanup(history& so_far, const node& program) {
    bool cleaned = false;
    // Its destructor runs on every exit, unwinding among them.
    struct check {
        history& so_far;
        const bool& cleaned;
        ~check() { so_far.expect(cleaned, "a cleanup did not run"); }
    };
    const check at_exit{so_far, cleaned};
    const auto work = [&] { return execute(so_far, program.below[0]); };
    const auto clean = [&]() -> rf::task<> {
        co_await execute(so_far, program.below[1]);
        cleaned = true;
    };
    co_await rf::finally(work, clean);
}

}  // namespace

node make_program(std::uint64_t seed) { return generator(seed).make(4); }

rf::task<> execute(history& so_far, const node& program) {
    const rf::test::lifetime_tracker frame(so_far.book);
    switch (program.what) {
    case action::sleep: {
        const rf::instant begin = rf::loop::here().now();
        co_await rf::sleep_for(milliseconds(program.span_ms));
        const auto slept = std::chrono::nanoseconds(rf::loop::here().now() - begin);
        so_far.expect(slept >= milliseconds(program.span_ms), "a sleep was too short");
        break;
    }
    case action::yield: co_await rf::this_task::yield(); break;
    case action::fail:
        so_far.thrown.insert(++so_far.next_failure);
        throw failure(so_far.next_failure);
    case action::block:
        for (const node& one : program.below)
            co_await execute(so_far, one);
        break;
    case action::catch_all: try { co_await execute(so_far, program.below[0]);
        } catch (const failure& thrown) {
            so_far.handled.insert(thrown.id);
        } catch (...) {
            so_far.expect(false, "a catch (...) saw what nobody threw");
        }
        break;
    case action::nursery: co_await run_nursery(so_far, program); break;
    case action::timeout:
    case action::move_on:
    case action::shield: co_await run_limited(so_far, program); break;
    case action::cleanup: co_await run_cleanup(so_far, program); break;
    case action::cancelled_scope: co_await run_scope(so_far, program); break;
    }
}

}  // namespace test

#endif
