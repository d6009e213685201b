// SPDX-License-Identifier: MIT
// Calls to a service that has stopped answering: circuit_breaker
//
// Without a limit each of them hangs, one task and one connection a request, until the caller is
// as dead as the service. A deadline frees the call; the breaker spares the calls after it.
#include <ringfence/sync/circuit_breaker.hpp>

#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>

#include <chrono>
#include <cstdio>
#include <string>

namespace {

using namespace std::chrono_literals;

struct service {
    bool well = true;
    int asked = 0;

    rf::task<std::string> ask() {
        ++asked;
        if (!well) co_await rf::sleep_forever();
        co_return "fine";
    }
};

// [breaker]
rf::task<> program() {
    service remote;
    rf::sync::circuit_breaker breaker({.failures_in_a_row = 3, .open_for = 500ms});
    breaker.on_change([](rf::sync::circuit_state, rf::sync::circuit_state to) {
        std::printf("  the circuit is %s\n", rf::sync::to_string(to));
    });
    // The deadline is inside, so that a call which is late counts as failed.
    auto ask = breaker.guard([&] { return rf::with_timeout(10ms, remote.ask()); });
    auto report = [&](int number) -> rf::task<> {
        std::string answer;
        try {
            answer = co_await ask();
        } catch (const rf::sync::circuit_open&) {
            answer = "refused at once";
        } catch (const rf::timeout_error&) {
            answer = "late";
        }
        std::printf("call %d: %s\n", number, answer.c_str());
    };
    for (int number = 1; number <= 8; ++number) {
        remote.well = number <= 1 || number >= 7;
        if (number == 7) co_await rf::sleep_for(510ms);
        co_await report(number);
    }
    const auto seen = breaker.statistics();
    std::printf("asked %d times, %llu refused; tasks alive: %llu, timers: %llu\n", remote.asked,
                static_cast<unsigned long long>(seen.refused),
                static_cast<unsigned long long>(rf::loop::here().account().tasks_live - 1),
                static_cast<unsigned long long>(rf::loop::here().account().timers));
}
// [/breaker]

}  // namespace

int main() { return rf::run(program); }
