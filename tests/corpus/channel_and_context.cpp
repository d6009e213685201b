// SPDX-License-Identifier: MIT
// Communication deadlocks of GoBench: channels and cancellable contexts.
//
// A context is an event in the background form; in the structured form it is a scope, and who waits
// for its end is a service of it.
#include "tests/corpus/kernel.hpp"
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/sync/event.hpp>

#include <chrono>
#include <utility>

using namespace std::chrono_literals;

namespace rf::corpus {
namespace {

using sync::receiver;
using sync::sender;

struct cockroach_10790 final : kernel {
    sync::event cancelled;

    task<> feeder(sender<int> one, sender<int> two) {
        for (sender<int>* to : {&one, &two}) {
            auto won = co_await select(as_result(to->send(1)), cancelled.wait());
            if (won.index() == 1) co_return;
        }
    }
    task<> drainer(receiver<int> one, receiver<int> two, receiver<int> quiesce) {
        for (receiver<int>* from : {&one, &two}) {
            if (fixed()) {
                auto won = co_await select(from->receive(), quiesce.receive());
                if (won.index() == 1) co_return;
                continue;
            }
            mark();
            (void)co_await from->receive();
        }
    }
    task<> beginner(receiver<int> one, receiver<int> two, receiver<int> quiesce) {
        for (receiver<int>* from : {&one, &two}) {
            auto won = co_await select(from->receive(), cancelled.wait());
            if (won.index() == 1) spawn("drainer", &cockroach_10790::drainer, one, two, quiesce);
        }
    }
    task<> canceller() {
        cancelled.set();
        co_return;
    }
    task<> main() override {
        auto one = open(0);
        auto two = open(0);
        auto quiesce = open(0);
        spawn("feeder", &cockroach_10790::feeder, std::move(one.sender), std::move(two.sender));
        spawn("beginner", &cockroach_10790::beginner, std::move(one.receiver),
              std::move(two.receiver), std::move(quiesce.receiver));
        spawn("canceller", &cockroach_10790::canceller);
        quiesce.sender.close();
        co_return;
    }
};

struct cockroach_13197 final : kernel {
    sync::event tx;

    task<> awaiter() {
        mark();
        co_await tx.wait();
    }
    task<> main() override {
        spawn_service("awaiter", &cockroach_13197::awaiter);
        if (fixed()) tx.set();  // rolls back
        co_return;
    }
};

struct cockroach_13755 final : kernel {
    sync::event rows;
    bool closed = false;

    void close() {
        if (std::exchange(closed, true) || buggy()) return;
        rows.set();
    }
    task<> awaiter() {
        mark();
        co_await rows.wait();
        close();
    }
    task<> main() override {
        spawn_service("awaiter", &cockroach_13755::awaiter);
        if (fixed()) close();
        co_return;
    }
};

struct kubernetes_25331 final : kernel {
    sync::event cancelled;

    task<> runner(receiver<int> errors, sender<int> results) {
        auto won = co_await select(errors.receive(), cancelled.wait());
        if (won.index() == 1) co_return;
        cancelled.set();
        if (fixed()) {
            (void)co_await select(as_result(results.send(1)), cancelled.wait());
            co_return;
        }
        mark();
        (void)co_await as_result(results.send(1));
    }
    task<> stopper(sender<int> errors) {
        (void)co_await as_result(errors.send(1));
        cancelled.set();
    }
    task<> main() override {
        auto errors = open(0);
        auto results = open(0);
        spawn("runner", &kubernetes_25331::runner, std::move(errors.receiver),
              std::move(results.sender));
        spawn("stopper", &kubernetes_25331::stopper, std::move(errors.sender));
        co_return;
    }
};

struct moby_33781 final : kernel {
    task<> probe(sender<int> results) {
        mark();
        (void)co_await as_result(results.send(1));
        results.close();
    }
    task<> monitor(receiver<int> stop) {
        for (;;) {
            auto first = co_await select(stop.receive(), sleep_for(50ns));
            if (first.index() == 0) co_return;
            auto results = open(fixed() ? 1 : 0);
            spawn("probe", &moby_33781::probe, std::move(results.sender));
            auto stopped = stop.receive();
            auto done = results.receiver.receive();
            auto then = co_await select(std::move(stopped), std::move(done), sleep_for(50ns));
            if (then.index() == 0) co_return;
            if (then.index() == 2) (void)co_await results.receiver.receive();
        }
    }
    task<> stopper(sender<int> stop) {
        co_await sleep_for(50ns);
        (void)co_await as_result(stop.send(1));
    }
    task<> main() override {
        auto stop = open(0);
        spawn("monitor", &moby_33781::monitor, std::move(stop.receiver));
        spawn("stopper", &moby_33781::stopper, std::move(stop.sender));
        co_return;
    }
};

}  // namespace

entries channel_and_context() {
    constexpr const char* group = "communication / context";
    return {
        {"cockroach_10790", group, make<cockroach_10790>, "drainer", structure::by_ends},
        {"cockroach_13197", group, make<cockroach_13197>, "awaiter", structure::by_scope},
        {"cockroach_13755", group, make<cockroach_13755>, "awaiter", structure::by_scope},
        {"kubernetes_25331", group, make<kubernetes_25331>, "runner", structure::by_ends},
        {"moby_33781", group, make<moby_33781>, "probe", structure::by_ends},
    };
}

}  // namespace rf::corpus
