// SPDX-License-Identifier: MIT
// Communication deadlocks of GoBench: channels and conditions by themselves.
#include "tests/corpus/kernel.hpp"
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/sync/condition.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>
#include <ringfence/sync/once.hpp>

#include <chrono>
#include <utility>

using namespace std::chrono_literals;

namespace rf::corpus {
namespace {

using sync::channel_ends;
using sync::receiver;
using sync::sender;

struct cockroach_24808 final : kernel {
    task<> worker(receiver<int> work, receiver<int> stop) {
        for (;;) {
            auto won = co_await select(stop.receive(), work.receive());
            if (won.index() == 0) co_return;
        }
    }
    task<> main() override {
        auto work = open(1);
        auto stop = open(0);
        (void)work.sender.try_send(1);
        if (fixed()) {
            (void)work.sender.try_send(2);
        } else {
            mark();
            (void)co_await as_result(work.sender.send(2));
        }
        spawn("worker", &cockroach_24808::worker, work.receiver, stop.receiver);
        stop.sender.close();
    }
};

struct cockroach_25456 final : kernel {
    task<> main() override {
        auto quiesce = open(0);
        for (int item = 0; item < 2; ++item) {
            if (fixed()) {
                (void)quiesce.receiver.try_receive();
                continue;
            }
            mark();
            (void)co_await quiesce.receiver.receive();
        }
    }
};

struct cockroach_35931 final : kernel {
    task<> main() override {
        auto left = open(1);
        auto right = open(1);
        (void)left.sender.try_send(1);
        for (sender<int>* stream : {&left.sender, &right.sender}) {
            if (fixed()) {
                (void)stream->try_send(2);
                continue;
            }
            mark();
            (void)co_await as_result(stream->send(2));
        }
    }
};

struct grpc_660 final : kernel {
    task<> call(sender<int> done) {
        mark();
        (void)co_await as_result(done.send(1));
    }
    task<> looper(receiver<int> stop) {
        for (;;) {
            auto done = open(fixed() ? 1 : 0);
            spawn("call", &grpc_660::call, std::move(done.sender));
            auto won = co_await select(stop.receive(), done.receiver.receive());
            if (won.index() == 0) co_return;
        }
    }
    task<> stopper(sender<int> stop) { (void)co_await as_result(stop.send(1)); }
    task<> main() override {
        auto stop = open(0);
        spawn("looper", &grpc_660::looper, std::move(stop.receiver));
        spawn("stopper", &grpc_660::stopper, std::move(stop.sender));
        co_return;
    }
};

struct grpc_1275 final : kernel {
    task<> reader(receiver<int> buffer, sender<int> done) {
        mark();
        (void)co_await buffer.receive();
        done.close();
    }
    task<> main() override {
        auto buffer = open(0);
        auto done = open(0);
        spawn("reader", &grpc_1275::reader, std::move(buffer.receiver), std::move(done.sender));
        if (fixed()) buffer.sender.close();  // what closing the stream is for
        (void)co_await select(done.receiver.receive(), sleep_for(300ns));
    }
};

struct grpc_1424 final : kernel {
    task<> watcher(receiver<int> addresses, sender<int> ready) {
        while (auto address = co_await addresses.receive()) {
        }
        if (fixed()) ready.close();
    }
    task<> dialer(receiver<int> addresses, sender<int> wait) {
        auto ready = open(0);
        spawn("watcher", &grpc_1424::watcher, std::move(addresses), std::move(ready.sender));
        mark();
        (void)co_await ready.receiver.receive();
        wait.close();
    }
    task<> dial() {
        auto addresses = open(0);
        auto wait = open(1);
        spawn("dialer", &grpc_1424::dialer, std::move(addresses.receiver), std::move(wait.sender));
        addresses.sender.close();
        co_return;
    }
    task<> main() override {
        spawn("dial", &grpc_1424::dial);
        co_return;
    }
};

struct istio_17860 final : kernel {
    sync::mutex mu;
    sync::event cancelled;
    int active = 0;
    int epoch = 0;

    task<> exit(sender<int> status) {
        mark();
        (void)co_await as_result(status.send(1));
    }
    task<> runner(receiver<int> status) {
        for (;;) {
            auto won = co_await select(status.receive(), cancelled.wait());
            if (won.index() == 1) co_return;
            auto held = co_await mu.lock();
            if (--active == 0) co_return;
        }
    }
    task<> restart(sender<int> status) {
        auto held = co_await mu.lock();
        for (int tries = 0; active != 0 && tries < 3; ++tries)
            co_await sleep_for(30ns);
        ++epoch;
        ++active;
        spawn("exit", &istio_17860::exit, std::move(status));
    }
    task<> main() override {
        auto status = open(fixed() ? 2 : 0);
        spawn("runner", &istio_17860::runner, std::move(status.receiver));
        co_await restart(status.sender);
        spawn("restart2", &istio_17860::restart, std::move(status.sender));
        co_await sleep_for(200ns);
        cancelled.set();
    }
};

struct kubernetes_5316 final : kernel {
    task<> handler(sender<int> ok, sender<int> failed) {
        co_await sleep_for(2ms);
        const bool fails = loop::here().next_random() % 10 < 4;
        mark();
        (void)co_await as_result(fails ? failed.send(1) : ok.send(1));
    }
    task<> request() {
        auto ok = open(fixed() ? 1 : 0);
        auto failed = open(fixed() ? 1 : 0);
        spawn("handler", &kubernetes_5316::handler, std::move(ok.sender), std::move(failed.sender));
        auto fine = ok.receiver.receive();
        auto broken = failed.receiver.receive();
        (void)co_await select(std::move(fine), std::move(broken), sleep_for(1ms));
    }
    task<> main() override {
        spawn("request", &kubernetes_5316::request);
        co_return;
    }
};

struct kubernetes_38669 final : kernel {
    task<> watcher(receiver<int> input, sender<int> result) {
        for (int initial = 0; initial < 2; ++initial) {
            mark();
            (void)co_await as_result(result.send(1));
        }
        while (auto got = co_await input.receive()) {
        }
        result.close();
    }
    task<> main() override {
        auto input = open(0);
        auto result = open(fixed() ? 2 : 0);
        spawn("watcher", &kubernetes_38669::watcher, std::move(input.receiver),
              std::move(result.sender));
        input.sender.close();
        co_return;
    }
};

struct moby_4395 final : kernel {
    task<> runner(sender<int> out) {
        mark();
        (void)co_await as_result(out.send(1));
    }
    receiver<int> go() {
        auto out = open(fixed() ? 1 : 0);
        spawn("runner", &moby_4395::runner, std::move(out.sender));
        return std::move(out.receiver);
    }
    task<> main() override {
        auto ignored = go();
        co_return;
    }
};

struct syncthing_5795 final : kernel {
    sync::once closing;
    sync::event closed;
    sync::event stopped;

    task<> reader() {
        while (!closed.is_set())
            co_await this_task::yield();
    }
    task<> close_connection() {
        auto turn = co_await closing.begin();
        if (!turn) co_return;
        closed.set();
        mark();
        co_await stopped.wait();
        turn.finish();
    }
    task<> dispatcher(receiver<int> inbox) {
        for (;;) {
            auto won = co_await select(inbox.receive(), closed.wait());
            if (won.index() == 1) break;
            if (fixed())
                spawn("closer", &syncthing_5795::close_connection);
            else
                co_await close_connection();
        }
        stopped.set();
    }
    task<> main() override {
        auto inbox = open(0);
        spawn("reader", &syncthing_5795::reader);
        spawn("dispatcher", &syncthing_5795::dispatcher, std::move(inbox.receiver));
        (void)co_await as_result(inbox.sender.send(1));
        mark();
        co_await stopped.wait();
    }
};

struct moby_27782 final : kernel {
    sync::mutex mu;
    sync::condition watching;
    sync::event done;
    sync::event close_note;
    bool registered = false;

    task<> notify_loop(sender<int> events) {
        while (!done.is_set()) {
            co_await sleep_for(300ns);
            mark();
            auto won = co_await select(as_result(events.send(1)), done.wait());
            if (won.index() == 1) break;
        }
        events.close();
    }
    task<> reader(channel_ends<int> events) {
        registered = true;
        spawn("notify_loop", &moby_27782::notify_loop, std::move(events.sender));
        co_await sleep_for(300ns);
        auto won = co_await select(events.receiver.receive(), close_note.wait());
        if (won.index() == 1 && buggy()) {
            auto held = co_await mu.lock();
            for (;;) {  // until the watch is gone
                mark();
                co_await watching.wait(held);
            }
        }
        done.set();
    }
    task<> init() {
        spawn("reader", &moby_27782::reader, open(0));
        co_await this_task::yield();
        if (registered) close_note.set();
    }
    task<> main() override {
        spawn("init", &moby_27782::init);
        co_return;
    }
};

struct moby_29733 final : kernel {
    sync::mutex m;
    sync::condition activated;
    bool active = false;

    task<> waiter(sender<int> done) {
        auto held = co_await m.lock();
        while (!active) {
            mark();
            co_await activated.wait(held);
        }
        done.close();
    }
    task<> activator() {
        auto held = co_await m.lock();
        active = true;
        activated.notify_all();
    }
    task<> check() {
        auto done = open(0);
        spawn("waiter", &moby_29733::waiter, std::move(done.sender));
        if (fixed()) spawn("activator", &moby_29733::activator);
        mark();
        (void)co_await done.receiver.receive();
    }
    task<> main() override {
        co_await check();
        active = false;
        co_await check();
    }
};

}  // namespace

entries channel_use() {
    constexpr const char* group = "communication / channel";
    constexpr const char* signal = "communication / condition";
    constexpr structure ends = structure::by_ends;
    return {
        {"cockroach_24808", group, make<cockroach_24808>, "main"},
        {"cockroach_25456", group, make<cockroach_25456>, "main"},
        {"cockroach_35931", group, make<cockroach_35931>, "main"},
        {"grpc_660", group, make<grpc_660>, "call", ends},
        {"grpc_1275", group, make<grpc_1275>, "reader", ends},
        {"grpc_1424", group, make<grpc_1424>, "dialer", ends},
        {"istio_17860", group, make<istio_17860>, "exit", ends},
        {"kubernetes_5316", group, make<kubernetes_5316>, "handler", ends},
        {"kubernetes_38669", group, make<kubernetes_38669>, "watcher", ends},
        {"moby_4395", group, make<moby_4395>, "runner", ends},
        {"syncthing_5795", group, make<syncthing_5795>, "dispatcher main"},
        {"moby_27782", signal, make<moby_27782>, "reader notify_loop"},
        {"moby_29733", signal, make<moby_29733>, "waiter main"},
    };
}

}  // namespace rf::corpus
