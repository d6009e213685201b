// SPDX-License-Identifier: MIT
// Nurseries, scopes, timers and shields: tasks that last longer than they should.
#include "tests/corpus/kernel.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/join_handle.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/start.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <utility>

using namespace std::chrono_literals;

namespace rf::corpus {
namespace {

struct nursery_grown_without_bound final : kernel {
    sync::event shut_down;

    task<> session() { co_await shut_down.wait(); }
    task<> main() override {
        for (int request = 0; request < 300; ++request) {
            mark("growth");
            spawn("session", &nursery_grown_without_bound::session);
            if (fixed()) shut_down.set();
            co_await sleep_for(1s);
        }
        shut_down.set();
    }
};

struct one_audit_in_ten_stays final : kernel {
    task<> request() { co_await sleep_for(1ms); }
    task<> audit(sync::receiver<int> records) {
        mark("growth");
        (void)co_await records.receive();
    }
    task<> main() override {
        auto records = open(0);
        for (int i = 0; i < 3000; ++i) {
            spawn("request", &one_audit_in_ten_stays::request);
            if (i % 10 == 0) spawn("audit", &one_audit_in_ten_stays::audit, records.receiver);
            if (fixed()) (void)records.sender.try_send(1);
            co_await sleep_for(100ms);
        }
        records.sender.close();
    }
};

struct shield_without_end final : kernel {
    cancel_scope scope;

    task<> save() {
        // On the real kernel somebody waits for this test.
        const auto hours = simulated() ? std::chrono::nanoseconds(3h) : 100ms;
        mark();
        co_await sleep_for(fixed() ? 1ms : hours);
    }
    task<> worker() {
        const auto limit = fixed() ? std::chrono::nanoseconds(5s) : 24h;
        auto body = [this, limit]() -> task<> {
            co_await shield(limit, [this] { return save(); });
        };
        (void)co_await scope.run(body);
    }
    task<> main() override {
        spawn("worker", &shield_without_end::worker);
        co_await sleep_for(1ms);
        scope.cancel("the user left");
    }
};

struct timer_kept_by_a_cache final : kernel {
    std::map<int, int> entries;

    task<> expire(int key) {
        mark("timer"), mark();
        co_await sleep_for(10h);
        entries.erase(key);
    }
    task<> main() override {
        for (int key = 0; key < 3; ++key) {
            entries[key] = key;
            if (buggy()) spawn_service("expiry", &timer_kept_by_a_cache::expire, key);
        }
        co_return;
    }
};

struct ticker_never_stopped final : kernel {
    sync::event stop;

    task<> tick() {
        while (!stop.is_set()) {
            mark("timer"), mark();
            co_await sleep_for(7min);
        }
    }
    task<> main() override {
        spawn_service("ticker", &ticker_never_stopped::tick);
        co_await sleep_for(1ms);
        if (fixed()) stop.set();
    }
};

struct daemon_as_an_ordinary_child final : kernel {
    task<> daemon() {
        this_task::set_name("daemon");
        mark();
        co_await sleep_forever();
    }
    task<> main() override {
        if (fixed())
            home().spawn_service([this] { return daemon(); });
        else
            spawn("daemon", &daemon_as_an_ordinary_child::daemon);
        co_await sleep_for(1ms);
    }
};

struct children_join_each_other final : kernel {
    std::optional<join_handle<void>> handles[2];

    task<> child(int other) {
        this_task::set_name(other == 1 ? "first" : "second");
        co_await this_task::yield();
        if (fixed() && other == 0) co_return;
        mark();
        co_await *handles[other];
    }
    task<> main() override {
        for (int i = 0; i < 2; ++i)
            handles[i].emplace(home().async([this, i] { return child(1 - i); }));
        co_return;
    }
};

struct parent_locks_across_its_join final : kernel {
    sync::mutex state;

    task<> child() {
        mark();
        auto held = co_await state.lock();
    }
    task<> parent() {
        auto held = co_await state.lock();
        if (fixed()) held.unlock();
        auto body = [this](nursery& children) -> task<> {
            children.spawn([this]() -> task<> {
                this_task::set_name("child");
                co_await child();
            });
            co_return;
        };
        mark();
        co_await with_nursery(body);
    }
    task<> main() override {
        spawn("parent", &parent_locks_across_its_join::parent);
        co_return;
    }
};

struct full_nursery_waits_for_itself final : kernel {
    task<> last() { co_return; }
    task<> child(nursery* jobs) {
        this_task::set_name("child");
        if (fixed()) co_return;
        mark();
        co_await jobs->spawn_when_free([this] { return last(); });
    }
    task<> parent() {
        auto body = [this](nursery& jobs) -> task<> {
            jobs.spawn([this, &jobs] { return child(&jobs); });
            co_return;
        };
        mark();
        co_await with_nursery({.limit = 1}, body);
    }
    task<> main() override {
        spawn("parent", &full_nursery_waits_for_itself::parent);
        co_return;
    }
};

struct child_waits_before_it_says_started final : kernel {
    sync::event configured;

    task<> child(started<> ready) {
        this_task::set_name("child");
        if (fixed()) ready();
        mark();
        co_await configured.wait();
        ready();
    }
    task<> parent() {
        auto body = [this](nursery& jobs) -> task<> {
            auto fn = [this](started<> ready) { return child(std::move(ready)); };
            mark();
            co_await jobs.start(fn);
            configured.set();
        };
        co_await with_nursery(body);
    }
    task<> main() override {
        spawn("parent", &child_waits_before_it_says_started::parent);
        co_return;
    }
};

struct lock_held_at_exit final : kernel {
    sync::mutex state;
    task<> owner() {
        auto held = co_await state.lock();
        if (buggy()) forget(held);
    }
    task<> next() {
        co_await sleep_for(1ms);
        mark();
        auto held = co_await state.lock();
    }
    task<> main() override {
        spawn("owner", &lock_held_at_exit::owner);
        spawn("next", &lock_held_at_exit::next);
        co_return;
    }
};

}  // namespace

entries task_scopes() {
    constexpr const char* grown = "scope / grows";
    constexpr const char* late = "scope / outlived";
    constexpr const char* stuck = "scope / stuck";
    constexpr structure found = structure::detected;
    return {
        {"nursery_grown_without_bound", grown, make<nursery_grown_without_bound>, "growth", found,
         method::watch},
        {"one_audit_in_ten_stays", grown, make<one_audit_in_ten_stays>, "growth", found,
         method::watch},
        {"shield_without_end", late, make<shield_without_end>, "worker", found, method::inspect},
        {"timer_kept_by_a_cache", late, make<timer_kept_by_a_cache>, "timer expiry",
         structure::by_scope, method::inspect},
        {"ticker_never_stopped", late, make<ticker_never_stopped>, "timer ticker?",
         structure::by_scope, method::inspect},
        {"daemon_as_an_ordinary_child", stuck, make<daemon_as_an_ordinary_child>, "daemon"},
        {"children_join_each_other", stuck, make<children_join_each_other>, "first second"},
        {"parent_locks_across_its_join", stuck, make<parent_locks_across_its_join>, "parent child"},
        {"full_nursery_waits_for_itself", stuck, make<full_nursery_waits_for_itself>,
         "child parent"},
        {"child_waits_before_it_says_started", stuck, make<child_waits_before_it_says_started>,
         "child parent"},
        {"lock_held_at_exit", stuck, make<lock_held_at_exit>, "next", structure::by_guard},
    };
}

}  // namespace rf::corpus
