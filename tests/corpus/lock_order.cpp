// SPDX-License-Identifier: MIT
// Resource deadlocks of GoBench: locks in opposite order, and readers with a writer between them.
#include "tests/corpus/kernel.hpp"
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>
#include <ringfence/sync/rw_lock.hpp>
#include <ringfence/sync/wait_group.hpp>

#include <chrono>

using namespace std::chrono_literals;

namespace rf::corpus {
namespace {

struct cockroach_7504 final : kernel {
    sync::mutex cache;
    sync::mutex lease;
    sync::mutex table;
    sync::wait_group group;

    task<> acquirer() {
        auto looking_up = co_await cache.lock();
        if (fixed()) looking_up.unlock();
        mark();
        auto held = co_await lease.lock();
        group.done();
    }
    task<> releaser() {
        auto tables = co_await table.lock();
        auto held = co_await lease.lock();
        mark();
        auto erasing = co_await cache.lock();
        group.done();
    }
    task<> main() override {
        group.add(2);
        spawn("acquirer", &cockroach_7504::acquirer);
        spawn("releaser", &cockroach_7504::releaser);
        mark();
        co_await group.wait();
    }
};

struct cockroach_10214 final : kernel {
    struct replica {
        sync::mutex raft;
        sync::mutex state;
    };
    sync::mutex coalesced;
    replica replicas[2];

    task<> sender() {
        auto held = co_await coalesced.lock();
        if (fixed()) held.unlock();  // the responses were copied
        for (int response = 0; response < 2; ++response)
            for (replica& one : replicas) {
                mark();
                auto locked = co_await one.raft.lock();
            }
    }
    task<> ticker() {
        auto raft = co_await replicas[0].raft.lock();
        auto state = co_await replicas[0].state.lock();
        for (int tick = 0; tick < 2; ++tick) {
            mark();
            auto held = co_await coalesced.lock();
        }
    }
    task<> main() override {
        spawn("sender", &cockroach_10214::sender);
        spawn("ticker", &cockroach_10214::ticker);
        co_return;
    }
};

struct kubernetes_13135 final : kernel {
    sync::mutex cacher;
    sync::rw_lock watch;
    sync::event ready;
    bool stopped = false;

    task<> cacher_loop() {
        while (!stopped) {
            auto held = co_await cacher.lock();
            mark();
            auto replacing = co_await watch.lock();
            ready.set();  // on-replace, which unlocks the cacher
            held.unlock();
            replacing.unlock();
            co_await this_task::yield();
        }
    }
    task<> adder() {
        auto adding = co_await watch.lock();
        if (fixed()) adding.unlock();
        mark();
        auto on_event = co_await cacher.lock();
        stopped = true;  // closed once the adder has run
    }
    task<> main() override {
        spawn("cacher_loop", &kubernetes_13135::cacher_loop);
        co_await ready.wait();
        spawn("adder", &kubernetes_13135::adder);
    }
};

struct moby_4951 final : kernel {
    sync::mutex set;
    sync::mutex info;

    task<> del() {
        auto sets = co_await set.lock();
        if (fixed()) sets.unlock();
        mark();
        auto device = co_await info.lock();
        if (buggy()) sets.unlock();
        co_await sleep_for(300ns);
        mark();
        sets = co_await set.lock();
        device.unlock();
    }
    task<> main() override {
        spawn("del1", &moby_4951::del);
        spawn("del2", &moby_4951::del);
        co_return;
    }
};

struct cockroach_3710 final : kernel {
    sync::rw_lock store;
    sync::mutex queue;

    task<> scanner() {
        auto outer = co_await store.lock_shared();
        for (int replica = 0; replica < 2; ++replica) {
            auto held = co_await queue.lock();
            if (fixed()) continue;  // the caller holds the read side
            mark();
            auto nested = co_await store.lock_shared();
        }
    }
    task<> raft() {
        mark();
        auto writing = co_await store.lock();
    }
    task<> raft_starter() {
        spawn("raft", &cockroach_3710::raft);
        co_return;
    }
    task<> main() override {
        spawn("scanner", &cockroach_3710::scanner);
        spawn("raft_starter", &cockroach_3710::raft_starter);
        co_return;
    }
};

struct cockroach_16167 final : kernel {
    sync::rw_lock config;

    task<> deep_in_the_chain() {
        mark();
        auto nested = co_await config.lock_shared();
    }
    task<> starter() {
        mark();
        auto writing = co_await config.lock();
    }
    task<> main() override {
        spawn("starter", &cockroach_16167::starter);
        auto outer = co_await config.lock_shared();
        co_await this_task::yield();
        if (buggy()) co_await deep_in_the_chain();
    }
};

struct kubernetes_62464 final : kernel {
    sync::rw_lock state;

    task<> reconciler() {
        for (int round = 0; round < 10; ++round) {
            auto outer = co_await state.lock_shared();
            if (fixed()) continue;  // the lookup takes no lock: the caller holds it
            mark();
            auto nested = co_await state.lock_shared();
        }
    }
    task<> remover() {
        for (int round = 0; round < 10; ++round) {
            mark();
            auto writing = co_await state.lock();
        }
    }
    task<> main() override {
        spawn("reconciler", &kubernetes_62464::reconciler);
        spawn("remover", &kubernetes_62464::remover);
        co_return;
    }
};

}  // namespace

entries lock_order() {
    constexpr const char* opposite = "resource / AB-BA";
    constexpr const char* readers = "resource / RWR";
    return {
        {"cockroach_7504", opposite, make<cockroach_7504>, "acquirer releaser main"},
        {"cockroach_10214", opposite, make<cockroach_10214>, "sender ticker"},
        {"kubernetes_13135", opposite, make<kubernetes_13135>, "cacher_loop adder"},
        {"moby_4951", opposite, make<moby_4951>, "del1 del2"},
        {"cockroach_3710", readers, make<cockroach_3710>, "scanner raft"},
        {"cockroach_16167", readers, make<cockroach_16167>, "main starter"},
        {"kubernetes_62464", readers, make<kubernetes_62464>, "reconciler remover"},
    };
}

}  // namespace rf::corpus
