// SPDX-License-Identifier: MIT
// A tree of supervisors, stopped from the top down: supervisor_tree
//
// Daemons that are started and forgotten die in any order, or not at all: the log is closed while
// the store still writes to it. A supervisor stops its children in the reverse order of their
// start, each when the one before is gone, and those of its children before itself.
#include <ringfence/runtime/finally.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/sync/supervisor.hpp>

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <utility>

namespace {

using namespace std::chrono_literals;
using rf::sync::supervisor;

// Lives until it is cancelled, and takes a moment to clean up. `fails` once, if it is set.
rf::task<> daemon(const char* name, bool* fails = nullptr) {
    std::printf("  %s starts\n", name);
    auto live = [&]() -> rf::task<> {
        co_await rf::sleep_for(5ms);
        if (fails != nullptr && std::exchange(*fails, false))
            throw std::runtime_error("lost its file");
        co_await rf::sleep_forever();
    };
    auto clean_up = [&]() -> rf::task<> {
        co_await rf::sleep_for(1ms);
        std::printf("  %s has ended\n", name);
    };
    co_await rf::finally(live, clean_up);
}

// [tree]
rf::task<> program() {
    bool fails = true;
    // What is added after the child that fails depends on it, and is started anew as well.
    supervisor storage({.strategy = rf::sync::rest_for_one, .name = "storage"});
    storage.add("index", [&] { return daemon("index", &fails); });
    storage.add("writer", [] { return daemon("writer"); });
    storage.on_exit([](const rf::sync::child_exit& end) {
        std::printf("%s failed and is started anew\n", end.name.c_str());
    });

    supervisor top({.name = "top"});
    top.add("log", [] { return daemon("log"); });
    top.add("storage", [&] { return storage.run(); });
    top.add("front", [] { return daemon("front"); });

    std::printf("start\n");
    co_await rf::move_on_after(500ms, top.run());
    std::printf("stopped; tasks alive: %llu\n",
                static_cast<unsigned long long>(rf::loop::here().account().tasks_live - 1));
}
// [/tree]

}  // namespace

int main() { return rf::run(program); }
