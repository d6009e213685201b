// SPDX-License-Identifier: MIT
// Mixed deadlocks of GoBench: a lock held across a channel, and wait groups.
#include "tests/corpus/kernel.hpp"
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>
#include <ringfence/sync/rw_lock.hpp>
#include <ringfence/sync/wait_group.hpp>

#include <utility>

namespace rf::corpus {
namespace {

using sync::receiver;
using sync::sender;

struct etcd_6873 final : kernel {
    sync::mutex mu;

    task<> coalescer(receiver<int> updates, sender<int> done) {
        while (auto update = co_await updates.receive()) {
            mark();
            auto held = co_await mu.lock();
        }
        done.close();
    }
    task<> stopper(sender<int> updates, receiver<int> done) {
        auto held = co_await mu.lock();
        updates.close();
        if (fixed()) held.unlock();
        mark();
        (void)co_await done.receive();
    }
    task<> main() override {
        auto updates = open(1);
        auto done = open(0);
        spawn("coalescer", &etcd_6873::coalescer, std::move(updates.receiver),
              std::move(done.sender));
        (void)updates.sender.try_send(1);
        spawn("stopper", &etcd_6873::stopper, std::move(updates.sender), std::move(done.receiver));
        co_return;
    }
};

struct etcd_7492 final : kernel {
    sync::mutex tokens;
    sync::wait_group group;
    sync::event tick{true};  // of a ticker of 1 ns: there is always one

    task<> keeper(receiver<int> add, receiver<int> stop) {
        int kept = 0;
        for (;;) {
            auto won = co_await select(add.receive(), tick.wait(), stop.receive());
            if (won.index() == 2) co_return;
            if (won.index() == 0) ++kept;
            while (won.index() == 1 && kept > 0) {
                mark();
                auto held = co_await tokens.lock();
                --kept;
            }
            co_await this_task::yield();
        }
    }
    task<> auth(sender<int> add) {
        auto held = co_await tokens.lock();
        if (fixed()) held.unlock();
        mark();
        (void)co_await as_result(add.send(1));
        group.done();
    }
    task<> main() override {
        auto add = open(1);
        auto stop = open(0);
        group.add(3);
        spawn("keeper", &etcd_7492::keeper, std::move(add.receiver), std::move(stop.receiver));
        for (int i = 0; i < 3; ++i)
            spawn("auth", &etcd_7492::auth, add.sender);
        mark();
        co_await group.wait();
        stop.sender.close();
        (void)co_await as_result(stop.sender.send(1));
    }
};

struct grpc_1353 final : kernel {
    sync::mutex rr;
    sync::mutex connections[2];

    task<> updater(sender<int> addresses, receiver<int> mine, sender<int> fin) {
        for (int i = 0; i < 100; ++i) {
            auto held = co_await rr.lock();
            if (fixed()) (void)mine.try_receive();  // a stale value
            mark();
            (void)co_await as_result(addresses.send(i));
        }
        fin.close();
    }
    task<> watcher(receiver<int> addresses) {
        while (auto address = co_await addresses.receive())
            for (sync::mutex& connection : connections) {
                auto locked = co_await connection.lock();
                mark();
                auto down = co_await rr.lock();
            }
    }
    task<> closer(receiver<int> fin, sender<int> addresses) {
        mark();
        (void)co_await fin.receive();
        auto held = co_await rr.lock();
        addresses.close();
    }
    task<> main() override {
        auto addresses = open(fixed() ? 1 : 0);
        auto fin = open(0);
        spawn("updater", &grpc_1353::updater, addresses.sender, addresses.receiver,
              std::move(fin.sender));
        spawn("watcher", &grpc_1353::watcher, std::move(addresses.receiver));
        spawn("closer", &grpc_1353::closer, std::move(fin.receiver), std::move(addresses.sender));
        co_return;
    }
};

struct grpc_1460 final : kernel {
    sync::mutex mu;
    int streams = 0;

    task<> keepalive(receiver<int> awaken) {
        auto held = co_await mu.lock();
        if (streams != 0) co_return;
        if (fixed()) held.unlock();
        mark();
        (void)co_await awaken.receive();
    }
    task<> opener(sender<int> awaken) {
        mark();
        auto held = co_await mu.lock();
        if (++streams == 1) (void)awaken.try_send(1);
    }
    task<> main() override {
        auto awaken = open(fixed() ? 1 : 0);
        spawn("keepalive", &grpc_1460::keepalive, std::move(awaken.receiver));
        spawn("opener", &grpc_1460::opener, std::move(awaken.sender));
        co_return;
    }
};

struct istio_16224 final : kernel {
    sync::mutex lock;
    sync::event stop;

    task<> monitor(receiver<int> events, sender<int> done) {
        for (;;) {
            auto won = co_await select(events.receive(), stop.wait());
            if (won.index() == 1) break;
            auto held = co_await lock.lock();
            if (fixed()) held.unlock();
            mark();
            (void)co_await as_result(done.send(1));
        }
        if (fixed()) co_return;
        mark();
        (void)co_await events.receive();  // an event that nobody sends
    }
    task<> main() override {
        auto events = open(0);
        auto done = open(0);
        spawn("monitor", &istio_16224::monitor, std::move(events.receiver), std::move(done.sender));
        (void)co_await as_result(events.sender.send(1));
        mark();
        auto held = co_await lock.lock();
        held.unlock();
        (void)co_await done.receiver.receive();
        stop.set();
    }
};

struct kubernetes_1321 final : kernel {
    sync::mutex mux;
    sync::mutex global;
    sync::event stopping;
    sender<int> watcher{};

    task<> loop() {
        for (int round = 0; round < 100; ++round) {
            auto outer = co_await mux.lock();
            auto inner = co_await global.lock();
            if (!watcher) continue;
            if (fixed()) {
                (void)co_await select(as_result(watcher.send(1)), stopping.wait());
                continue;
            }
            mark();
            (void)co_await as_result(watcher.send(1));
        }
    }
    task<> test() {
        spawn("loop", &kubernetes_1321::loop);
        auto result = open(0);
        auto inserting = co_await global.lock();
        watcher = result.sender;
        inserting.unlock();
        co_await this_task::yield();
        if (fixed()) stopping.set();
        mark();
        auto held = co_await mux.lock();
        watcher = {};
        result.sender.close();
    }
    task<> main() override {
        spawn("test", &kubernetes_1321::test);
        co_return;
    }
};

struct kubernetes_6632 final : kernel {
    sync::mutex write;
    bool open_for_resets = true;

    task<> helper(sender<int> note) { (void)co_await as_result(note.send(1)); }
    task<> drainer(receiver<int> reset) {
        while (auto one = co_await reset.receive()) {
        }
    }
    task<> monitor(receiver<int> note, receiver<int> reset) {
        (void)co_await note.receive();
        if (fixed()) spawn("drainer", &kubernetes_6632::drainer, reset);
        mark();
        auto held = co_await write.lock();
        open_for_resets = false;
        reset.close();
    }
    task<> writer(sender<int> reset) {
        auto held = co_await write.lock();
        if (!open_for_resets) co_return;
        mark();
        (void)co_await as_result(reset.send(1));
    }
    task<> main() override {
        auto note = open(0);
        auto reset = open(0);
        spawn("helper", &kubernetes_6632::helper, std::move(note.sender));
        spawn("monitor", &kubernetes_6632::monitor, std::move(note.receiver),
              std::move(reset.receiver));
        spawn("writer", &kubernetes_6632::writer, std::move(reset.sender));
        co_return;
    }
};

struct kubernetes_10182 final : kernel {
    sync::rw_lock pods;

    task<> syncer(receiver<int> status) {
        for (int i = 0; i < 2; ++i) {
            (void)co_await status.receive();
            mark();
            auto writing = co_await pods.lock();
        }
    }
    task<> setter(sender<int> status) {
        auto writing = co_await pods.lock();
        if (fixed()) writing.unlock();
        mark();
        (void)co_await as_result(status.send(1));
    }
    task<> main() override {
        auto status = open(0);
        spawn("syncer", &kubernetes_10182::syncer, std::move(status.receiver));
        spawn("setter", &kubernetes_10182::setter, status.sender);
        spawn("setter", &kubernetes_10182::setter, std::move(status.sender));
        co_return;
    }
};

struct moby_28462 final : kernel {
    sync::mutex container;

    task<> monitor(receiver<int> stop) {
        while (!stop.is_closed()) {
            if (stop.try_receive()) co_return;
            mark();
            auto held = co_await container.lock();
            held.unlock();
            co_await this_task::yield();
        }
    }
    task<> changer(sender<int> stop) {
        auto held = co_await container.lock();
        if (fixed()) {
            stop.close();
            co_return;
        }
        mark();
        (void)co_await as_result(stop.send(1));
    }
    task<> main() override {
        auto stop = open(0);
        spawn("monitor", &moby_28462::monitor, std::move(stop.receiver));
        spawn("changer", &moby_28462::changer, std::move(stop.sender));
        co_return;
    }
};

struct cockroach_1462 final : kernel {
    sync::event stop;
    sync::wait_group workers;

    task<> producer(sender<int> events) {
        while (!stop.is_set()) {
            if (fixed()) {
                (void)co_await select(stop.wait(), as_result(events.send(1)));
                continue;
            }
            mark();
            (void)co_await as_result(events.send(1));
        }
        workers.done();
    }
    task<> consumer(receiver<int> events) {
        for (;;) {
            auto won = co_await select(events.receive(), stop.wait());
            if (won.index() == 1) break;
        }
        workers.done();
    }
    task<> main() override {
        auto events = open(0);
        workers.add(2);
        spawn("producer", &cockroach_1462::producer, std::move(events.sender));
        spawn("consumer", &cockroach_1462::consumer, std::move(events.receiver));
        co_await this_task::yield();
        stop.set();
        mark();
        co_await workers.wait();
    }
};

struct moby_25384 final : kernel {
    sync::wait_group group;

    task<> plugin() {
        group.done();
        co_return;
    }
    task<> init() {
        group.add(2);
        for (int i = 0; i < 2; ++i) {
            spawn("plugin", &moby_25384::plugin);
            if (fixed()) continue;
            mark();
            co_await group.wait();
        }
        co_await group.wait();
    }
    task<> main() override {
        spawn("init", &moby_25384::init);
        co_return;
    }
};

}  // namespace

entries channel_and_lock() {
    constexpr const char* lock = "mixed / channel and lock";
    constexpr const char* group = "mixed / wait group";
    return {
        {"etcd_6873", lock, make<etcd_6873>, "coalescer stopper"},
        {"etcd_7492", lock, make<etcd_7492>, "auth keeper main"},
        {"grpc_1353", lock, make<grpc_1353>, "updater watcher closer"},
        {"grpc_1460", lock, make<grpc_1460>, "keepalive opener"},
        {"istio_16224", lock, make<istio_16224>, "monitor main?"},
        {"kubernetes_1321", lock, make<kubernetes_1321>, "loop test"},
        {"kubernetes_6632", lock, make<kubernetes_6632>, "writer monitor"},
        {"kubernetes_10182", lock, make<kubernetes_10182>, "syncer setter"},
        {"moby_28462", lock, make<moby_28462>, "changer monitor"},
        {"cockroach_1462", group, make<cockroach_1462>, "producer main", structure::by_ends},
        {"moby_25384", group, make<moby_25384>, "init"},
    };
}

}  // namespace rf::corpus
