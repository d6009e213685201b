// SPDX-License-Identifier: MIT
// Loads the echo service, cancels, resets and dawdles, then stops it under load, and shows what
// both sides left behind: demo [--seconds N] [--connections N] [--seed N]
#include "examples/arguments.hpp"
#include "figures.hpp"
#include "load.hpp"
#include "report.hpp"
#include "service.hpp"
#include <ringfence/ringfence.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>

namespace {

using namespace std::chrono_literals;

constexpr auto end_limit = 12s;  // for the drain, of which the service takes 5 at most

struct settings {
    std::uint64_t seconds = 10;
    std::uint64_t connections = 200;
    std::uint64_t seed = 1;
};

std::optional<settings> parse(int argc, char** argv) {
    settings chosen;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view name = argv[i];
        const auto value = i + 1 < argc ? arguments::number(argv[i + 1], 1'000'000) : std::nullopt;
        if (!value) return std::nullopt;
        if (name == "--seconds" && *value != 0)
            chosen.seconds = *value;
        else if (name == "--connections" && *value != 0 && *value <= 10'000)
            chosen.connections = *value;
        else if (name == "--seed")
            chosen.seed = *value;
        else
            return std::nullopt;
    }
    return chosen;
}

// The crowd comes, and leaves when the service hangs up.
rf::task<> put_under_load(demo::service& service, const settings& chosen, demo::figures& seen) {
    const demo::load shared{service.address, demo::make_pattern(chosen.seed), &seen};
    demo::dice seeds(chosen.seed);
    const auto start = rf::clock::now();
    co_await rf::with_nursery([&](rf::nursery& crowd) -> rf::task<> {
        for (std::uint64_t i = 0; i < chosen.connections; ++i)
            crowd.spawn(demo::visit, std::cref(shared), seeds.roll());
        // Until then, or until somebody stops the demo.
        const auto span = std::chrono::seconds(chosen.seconds);
        co_await rf::move_on_after(span, rf::this_task::wait_draining());
        seen.stopped = rf::clock::now();
        seen.loaded = seen.stopped - start;
        seen.stopping = true;
        service.process.kill(SIGTERM);
    });
}

rf::task<> run_demo(const settings& chosen, demo::figures& seen, demo::service_end& end) {
    auto service = co_await demo::start_service();
    std::printf("service: echo_server, process %d, %s\n", static_cast<int>(service.process.pid()),
                service.address.to_string().c_str());
    co_await rf::with_nursery([&](rf::nursery& parts) -> rf::task<> {
        parts.spawn_service(demo::show_progress, std::cref(seen));
        const auto all = std::chrono::seconds(chosen.seconds) + end_limit;
        co_await rf::with_timeout(all, put_under_load(service, chosen, seen));
    });
    end.status = co_await rf::with_timeout(end_limit, demo::end_of(service));
    seen.draining = rf::clock::now() - seen.stopped;
    end.ended = true;
    demo::read_output(end, service.output);
}

}  // namespace

int main(int argc, char** argv) {
    const auto chosen = parse(argc, argv);
    if (!chosen) {
        std::fprintf(stderr, "usage: demo [--seconds N] [--connections N] [--seed N]\n");
        return 2;
    }
    std::printf("load: %llu connections for %llu s, messages of 1 B to 256 KiB, seed %llu\n",
                static_cast<unsigned long long>(chosen->connections),
                static_cast<unsigned long long>(chosen->seconds),
                static_cast<unsigned long long>(chosen->seed));
    std::fflush(stdout);
    demo::figures seen;
    demo::service_end end;
    const rf::run_report report = rf::run_and_report([&] { return run_demo(*chosen, seen, end); },
                                                     {.stop_on = {SIGINT, SIGTERM}});
    rf::print_report(report);
    if (end.ended) demo::print_figures(seen);
    return demo::print_verdict(seen, end, report) ? 0 : 1;
}
