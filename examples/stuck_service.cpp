// SPDX-License-Identifier: MIT

// A service to look into from outside, with rf-ps or gdb: two workers have locked each other out,
// three wait for orders that never come, and it says nothing. Until SIGTERM.
//
//     stuck_service &
//     rf-ps --tree $!

#include <ringfence/ringfence.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>

using namespace std::chrono_literals;

namespace {

struct accounts {
    rf::sync::mutex checking;
    rf::sync::mutex savings;
    rf::sync::latch both_hold{2};
};

rf::task<> transfer(rf::sync::mutex& from, rf::sync::mutex& to, rf::sync::latch& both_hold) {
    rf::this_task::set_name("transfer");
    auto first = co_await from.lock();
    both_hold.count_down();
    co_await both_hold.wait();
    auto second = co_await to.lock();
}

rf::task<> next_order(rf::sync::event& come) { co_await come.wait(); }

rf::task<> serve_orders(rf::sync::event& come) {
    for (;;)
        co_await rf::with_timeout(1h, [&] { return next_order(come); });
}

rf::task<> service() {
    accounts all;
    rf::sync::event order;
    co_await rf::with_nursery({.name = "workers"}, [&](rf::nursery& workers) -> rf::task<> {
        workers.spawn(transfer, std::ref(all.checking), std::ref(all.savings),
                      std::ref(all.both_hold));
        workers.spawn(transfer, std::ref(all.savings), std::ref(all.checking),
                      std::ref(all.both_hold));
        for (int i = 0; i < 3; ++i)
            workers.spawn(serve_orders, std::ref(order));
        co_await all.both_hold.wait();
        co_await rf::this_task::checkpoint();
        std::puts("stuck");
        std::fflush(stdout);
        co_await rf::sleep_for(1h);
    });
}

}  // namespace

int main() { return rf::run(service); }
