// SPDX-License-Identifier: MIT
// Resource deadlocks of GoBench: a lock is asked for by who holds it, or was never given back.
#include "tests/corpus/kernel.hpp"
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/sync/mutex.hpp>
#include <ringfence/sync/rw_lock.hpp>

#include <chrono>
#include <utility>

using namespace std::chrono_literals;

namespace rf::corpus {
namespace {

struct cockroach_584 final : kernel {
    sync::mutex mu;

    task<> gossip() {
        for (int phase = 1; phase <= 2; ++phase) {
            mark();
            auto held = co_await mu.lock();
            if (buggy()) forget(held);  // closed: leaves early
        }
    }
    task<> main() override {
        spawn("gossip", &cockroach_584::gossip);
        co_return;
    }
};

struct etcd_6708 final : kernel {
    sync::rw_lock rw;

    task<> ask_for_leader() {
        mark();
        auto reading = co_await rw.lock_shared();
    }
    task<> main() override {
        if (fixed()) co_await ask_for_leader();
        auto writing = co_await rw.lock();
        if (buggy()) co_await ask_for_leader();
    }
};

struct etcd_10492 final : kernel {
    sync::rw_lock mu;

    task<> checkpoint() {
        mark();
        auto writing = co_await mu.lock();
    }
    task<> renew() {
        auto writing = co_await mu.lock();
        if (fixed()) writing.unlock();
        co_await checkpoint();
    }
    task<> main() override {
        auto installing = co_await mu.lock();
        installing.unlock();
        co_await renew();
    }
};

struct grpc_795 final : kernel {
    sync::mutex mu;
    bool drain = false;

    task<> serve() {
        mark();
        auto held = co_await mu.lock();
    }
    task<> stop_gracefully() {
        mark();
        auto held = co_await mu.lock();
        if (!drain) {
            drain = true;
            if (buggy()) forget(held);
        } else if (buggy()) {  // a second lock in the place of the unlock
            mark();
            auto again = co_await mu.lock();
        }
    }
    task<> main() override {
        spawn("serve", &grpc_795::serve);
        for (int call = 0; call < 3; ++call)
            co_await stop_gracefully();
    }
};

struct grpc_3017 final : kernel {
    sync::mutex mu;
    bool cached = false;
    bool known = true;
    bool abort = false;
    bool fired = false;

    task<> timer() {
        co_await sleep_for(1ns);
        fired = true;
        auto held = co_await mu.lock();
        if (abort) {
            if (buggy()) forget(held);
            co_return;
        }
        known = cached = false;
    }
    task<> worker(sync::sender<int>) {
        for (int round = 0; round < 10; ++round) {
            mark();
            auto held = co_await mu.lock();  // remove
            if (known && !cached) {
                cached = true;
                abort = fired = false;
                spawn("timer", &grpc_3017::timer);
            }
            held.unlock();
            co_await sleep_for(1ns);
            mark();
            held = co_await mu.lock();  // create
            co_await this_task::yield();
            if (cached && fired) abort = true;
            cached = false;
            known = true;
        }
    }
    task<> main() override {
        auto done = open(0);
        spawn("worker", &grpc_3017::worker, done.sender);
        done.sender = {};
        if (!structured()) co_return;
        mark();
        (void)co_await done.receiver.receive();
    }
};

struct moby_17176 final : kernel {
    sync::mutex dev;

    task<> clean_up() {
        auto held = co_await dev.lock();
        if (buggy()) forget(held);  // nothing is deleted: leaves early
    }
    task<> prober(sync::sender<int> done) {
        mark();
        auto held = co_await dev.lock();
        (void)done.try_send(1);
    }
    task<> main() override {
        co_await clean_up();
        auto done = open(0);
        spawn("prober", &moby_17176::prober, std::move(done.sender));
        (void)co_await select(sleep_for(1ms), done.receiver.receive());
    }
};

struct moby_7559 final : kernel {
    sync::mutex track;

    task<bool> dial() {
        co_await this_task::yield();
        co_return false;
    }
    task<> proxy() {
        for (int i = 0; i < 2; ++i) {
            mark();
            auto held = co_await track.lock();
            const bool connected = co_await dial();
            if (!connected && buggy()) forget(held);
        }
    }
    task<> main() override {
        spawn("proxy", &moby_7559::proxy);
        co_return;
    }
};

struct syncthing_4829 final : kernel {
    sync::rw_lock service;
    sync::rw_lock mapping;

    task<> notify() {
        mark();
        auto reading = co_await mapping.lock_shared();
    }
    task<> main() override {
        auto registering = co_await service.lock();
        registering.unlock();
        auto removing = co_await service.lock();
        auto clearing = co_await mapping.lock();
        if (fixed()) clearing.unlock();
        co_await notify();
    }
};

}  // namespace

entries double_locking() {
    constexpr const char* group = "resource / double locking";
    return {
        {"cockroach_584", group, make<cockroach_584>, "gossip", structure::by_guard},
        {"etcd_6708", group, make<etcd_6708>, "main"},
        {"etcd_10492", group, make<etcd_10492>, "main"},
        {"grpc_795", group, make<grpc_795>, "main serve?"},
        {"grpc_3017", group, make<grpc_3017>, "worker main?", structure::by_guard},
        {"moby_17176", group, make<moby_17176>, "prober", structure::by_guard},
        {"moby_7559", group, make<moby_7559>, "proxy", structure::by_guard},
        {"syncthing_4829", group, make<syncthing_4829>, "main"},
    };
}

}  // namespace rf::corpus
