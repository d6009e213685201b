// SPDX-License-Identifier: MIT
// What waits for itself, for a party that never comes, or for news that nobody sends.
#include "tests/corpus/kernel.hpp"
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/sync/barrier.hpp>
#include <ringfence/sync/broadcast.hpp>
#include <ringfence/sync/bulkhead.hpp>
#include <ringfence/sync/condition.hpp>
#include <ringfence/sync/latch.hpp>
#include <ringfence/sync/mutex.hpp>
#include <ringfence/sync/once.hpp>
#include <ringfence/sync/oneshot.hpp>
#include <ringfence/sync/semaphore.hpp>
#include <ringfence/sync/single_flight.hpp>
#include <ringfence/sync/ttl_cache.hpp>
#include <ringfence/sync/watch.hpp>

#include <chrono>
#include <optional>
#include <utility>

using namespace std::chrono_literals;

namespace rf::corpus {
namespace {

struct flight_asks_for_itself final : kernel {
    sync::single_flight<int, int> flights;

    task<int> load(int key) {
        co_await this_task::yield();
        const int next = fixed() ? key - 1 : key;
        if (next == 0) co_return 0;
        auto fn = [this, next] { return load(next); };
        mark();
        co_return co_await flights.run(next, fn);
    }
    task<> ask() {
        (void)co_await flights.run(1, [this] { return load(1); });
    }
    task<> main() override {
        spawn("asker", &flight_asks_for_itself::ask);
        co_return;
    }
};

struct once_within_itself final : kernel {
    sync::once loaded;

    task<> load() {
        if (fixed()) co_return;
        mark();
        co_await loaded.call([this] { return load(); });
    }
    task<> ask() {
        co_await loaded.call([this] { return load(); });
    }
    task<> main() override {
        spawn("loader", &once_within_itself::ask);
        co_return;
    }
};

struct cache_loader_needs_its_own_key final : kernel {
    sync::ttl_cache<int, int> cache{{.ttl = 1h, .size_max = 10}};

    task<int> load(int key) {
        const int parent = fixed() ? key / 2 : key;
        if (parent == 0) co_return 0;
        mark();
        co_return co_await cache.get(parent, [this](const int& of) { return load(of); });
    }
    task<> ask() {
        (void)co_await cache.get(3, [this](const int& of) { return load(of); });
        cache.clear();
    }
    task<> main() override {
        spawn("asker", &cache_loader_needs_its_own_key::ask);
        co_return;
    }
};

struct one_permit_more_each final : kernel {
    sync::semaphore connections{2};

    task<> transfer() {
        auto from = co_await connections.acquire(fixed() ? 2 : 1);
        if (fixed()) co_return;
        mark();
        auto to = co_await connections.acquire();
    }
    task<> main() override {
        spawn("transfer", &one_permit_more_each::transfer);
        spawn("transfer", &one_permit_more_each::transfer);
        co_return;
    }
};

struct bulkhead_within_itself final : kernel {
    sync::bulkhead database{{.concurrent = 1, .queue = 10}};

    task<> nested() {
        mark();
        auto place = co_await database.enter();
    }
    task<> query() {
        {
            auto place = co_await database.enter();
            if (buggy()) co_await nested();
        }
        if (fixed()) co_await nested();
    }
    task<> main() override {
        spawn("query", &bulkhead_within_itself::query);
        co_return;
    }
};

struct barrier_of_one_too_many final : kernel {
    sync::barrier gate{3};

    task<> party(bool fails) {
        if (fails && fixed()) gate.arrive_and_drop();
        if (fails) co_return;
        mark();
        (void)co_await gate.arrive_and_wait();
    }
    task<> main() override {
        spawn("party", &barrier_of_one_too_many::party, false);
        spawn("party", &barrier_of_one_too_many::party, false);
        spawn("failing", &barrier_of_one_too_many::party, true);
        co_return;
    }
};

struct latch_skipped_by_a_failure final : kernel {
    sync::latch ready{2};

    task<> part(bool fails) {
        co_await this_task::yield();
        if (fails && buggy()) co_return;
        ready.count_down();
    }
    task<> waiter() {
        mark();
        co_await ready.wait();
    }
    task<> main() override {
        spawn("waiter", &latch_skipped_by_a_failure::waiter);
        spawn("part", &latch_skipped_by_a_failure::part, false);
        spawn("part", &latch_skipped_by_a_failure::part, true);
        co_return;
    }
};

struct broadcast_waits_for_a_sleeper final : kernel {
    sync::broadcast<int> news{2, sync::sender_waits};
    std::optional<sync::broadcast_receiver<int>> sleeper;

    ~broadcast_waits_for_a_sleeper() override { sleeper.reset(); }
    task<> publisher() {
        for (int i = 0; i < 3; ++i) {
            mark();
            (void)co_await as_result(news.send(i));
        }
    }
    task<> main() override {
        sleeper.emplace(news.subscribe());
        spawn("publisher", &broadcast_waits_for_a_sleeper::publisher);
        if (fixed()) sleeper.reset();
        co_return;
    }
};

struct watch_never_closed final : kernel {
    sync::watch<int> settings{0};

    task<> follow() {
        auto mine = settings.reader();
        for (;;) {
            mark();
            auto now = co_await mine.next();
            if (!now) co_return;
        }
    }
    task<> writer() {
        settings.set(1);
        co_await this_task::yield();
        if (fixed()) settings.close();
    }
    task<> main() override {
        spawn("follower", &watch_never_closed::follow);
        spawn("writer", &watch_never_closed::writer);
        co_return;
    }
};

struct answer_never_sent final : kernel {
    task<> server(sync::oneshot_sender<int> answer, bool fails) {
        if (!fails) (void)answer.send(1);
        if (buggy()) forget(answer);
        co_return;
    }
    task<> client(sync::oneshot_receiver<int> answer) {
        mark();
        (void)co_await answer.receive();
    }
    task<> main() override {
        sync::oneshot<int> answer;
        spawn("client", &answer_never_sent::client, std::move(answer.receiver));
        spawn("server", &answer_never_sent::server, std::move(answer.sender), true);
        co_return;
    }
};

struct notified_before_it_waits final : kernel {
    sync::mutex state;
    sync::condition changed;
    bool done = false;

    task<> waiter() {
        auto held = co_await state.lock();
        if (fixed() && done) co_return;
        mark();
        co_await changed.wait(held);
    }
    task<> notifier() {
        auto held = co_await state.lock();
        done = true;
        changed.notify_one();
    }
    task<> main() override {
        spawn("waiter", &notified_before_it_waits::waiter);
        spawn("notifier", &notified_before_it_waits::notifier);
        co_return;
    }
};

}  // namespace

entries primitives() {
    constexpr const char* itself = "primitive / waits for itself";
    constexpr const char* missing = "primitive / nobody comes";
    return {
        {"flight_asks_for_itself", itself, make<flight_asks_for_itself>, "asker"},
        {"once_within_itself", itself, make<once_within_itself>, "loader"},
        {"cache_loader_needs_its_own_key", itself, make<cache_loader_needs_its_own_key>, "asker"},
        {"one_permit_more_each", itself, make<one_permit_more_each>, "transfer"},
        {"bulkhead_within_itself", itself, make<bulkhead_within_itself>, "query"},
        {"barrier_of_one_too_many", missing, make<barrier_of_one_too_many>, "party"},
        {"latch_skipped_by_a_failure", missing, make<latch_skipped_by_a_failure>, "waiter"},
        {"broadcast_waits_for_a_sleeper", missing, make<broadcast_waits_for_a_sleeper>,
         "publisher"},
        {"watch_never_closed", missing, make<watch_never_closed>, "follower"},
        {"answer_never_sent", missing, make<answer_never_sent>, "client", structure::by_ends},
        {"notified_before_it_waits", missing, make<notified_before_it_waits>, "waiter"},
    };
}

}  // namespace rf::corpus
