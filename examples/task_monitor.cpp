// SPDX-License-Identifier: MIT
// A watch over a running program that names the line which leaks tasks: task_monitor [seconds]
//
// In Go one draws NumGoroutine and wonders which of them grow. This service loses a task now and
// then among many that end; the monitor knows their lines, and tells the two apart.
#include "examples/arguments.hpp"
#include <ringfence/leakcheck/monitor.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel.hpp>

#include <chrono>
#include <cstdio>

namespace {

using namespace std::chrono_literals;
using rf::sync::channel;

rf::task<> handle() { co_await rf::sleep_for(2ms); }

rf::task<> audit(channel<int>& records) {
    auto record = co_await records.receive();  // nobody ever sends one
    std::printf("audited %d\n", record.value());
}

// [monitor]
rf::task<> service(std::chrono::seconds patience) {
    channel<int> records(0);
    rf::leakcheck::monitor watch({.interval = 50ms});  // 5 s, unless you are in a hurry
    bool warned = false;
    watch.on_growth([&](const rf::leakcheck::growth_warning& what) {
        std::printf("%s", what.table().c_str());
        warned = true;
    });
    auto serve = [&](rf::nursery& requests) -> rf::task<> {
        requests.spawn_service([&] { return watch.run(); });
        const auto end = rf::clock::now() + patience;
        for (int served = 0; !warned && rf::clock::now() < end; ++served) {
            requests.spawn(handle);
            if (served % 5 == 0) requests.spawn(audit, std::ref(records));  // the leak
            co_await rf::sleep_for(1ms);
        }
        requests.cancel();  // they are children all the same: none outlives this
    };
    co_await rf::with_nursery(serve);
    std::printf("%s; tasks alive: %llu\n", warned ? "a line leaks" : "no line leaks",
                static_cast<unsigned long long>(rf::loop::here().account().tasks_live - 1));
}
// [/monitor]

}  // namespace

int main(int argc, char** argv) {
    const auto seconds = argc == 2 ? arguments::number(argv[1], 3600) : 60;
    if (argc > 2 || !seconds) {
        std::fprintf(stderr, "usage: task_monitor [seconds]\n");
        return 2;
    }
    return rf::run([&] { return service(std::chrono::seconds(*seconds)); });
}
