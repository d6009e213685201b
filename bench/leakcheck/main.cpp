// SPDX-License-Identifier: MIT
// What noting and watching cost. bench/run.py builds this program twice, once with nothing noted of
// tasks (-Dbookkeeping=false), and sets the two on each other:
//
//   leakcheck sizes
//   leakcheck suspend COUNT [recorded|watched]
//   leakcheck finish COUNT [watched]
//   leakcheck serve PORT [watched]
#include "examples/arguments.hpp"
#include <ringfence/io/serve.hpp>
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/leakcheck/monitor.hpp>
#include <ringfence/leakcheck/watcher.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/waiter.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/event.hpp>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>
#include <string_view>
#include <unistd.h>

namespace {

std::uint64_t allocations = 0;

}  // namespace

void* operator new(std::size_t size) {
    ++allocations;
    if (void* block = std::malloc(size)) return block;
    std::abort();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

namespace {

std::int64_t processor_ns() {
    timespec now{};
    (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

long resident_kb() {
    long all = 0, resident = 0;
    std::FILE* statm = std::fopen("/proc/self/statm", "r");
    if (statm == nullptr || std::fscanf(statm, "%ld %ld", &all, &resident) != 2) std::abort();
    std::fclose(statm);
    return resident * (::sysconf(_SC_PAGESIZE) / 1024);
}

/// Waits and is woken, `count` times, in turn with another that does the same.
rf::task<> take_turns(rf::sync::auto_event& mine, rf::sync::auto_event& others, long count) {
    for (long i = 0; i < count; ++i) {
        co_await mine.wait();
        others.set();
    }
}

rf::task<> suspend(long count) {
    rf::sync::auto_event a, b;
    const std::uint64_t before = allocations;
    const std::uint64_t entered = rf::loop::here().kernel().enter_count();
    const std::int64_t start = processor_ns();
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn(take_turns, std::ref(a), std::ref(b), count / 2);
        both.spawn(take_turns, std::ref(b), std::ref(a), count / 2);
        a.set();
        co_return;
    });
    const double ns = static_cast<double>(processor_ns() - start) / static_cast<double>(count);
    const double made = static_cast<double>(allocations - before) / static_cast<double>(count);
    const double entries = static_cast<double>(rf::loop::here().kernel().enter_count() - entered) /
                           static_cast<double>(count);
    std::printf("ns=%.3f allocations=%.6f enters=%.6f\n", ns, made, entries);
}

rf::task<> one() { co_await rf::this_task::yield(); }

rf::task<> finish(long count, bool watched) {
    rf::leakcheck::monitor growth;
    co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
        if (watched) all.spawn_service([&] { return growth.run(); });
        for (long done = 0; done < count; done += 1000) {
            for (int i = 0; i < 1000; ++i)
                all.spawn(one);
            while (all.size() != 0)
                co_await rf::this_task::yield();
        }
    });
    std::printf("resident_kb=%ld started=%llu\n", resident_kb(),
                static_cast<unsigned long long>(rf::loop::here().account().tasks_started));
}

rf::task<> echo(rf::io::tcp_stream peer) {
    while (auto chunk = co_await peer.read())
        co_await peer.write_all(chunk);
}

rf::task<> serve(std::uint16_t port) {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", port});
    std::printf("listening on %s\n", listener.local().to_string().c_str());
    std::fflush(stdout);
    co_await rf::io::serve(listener, echo);
    std::printf("allocations=%llu enters=%llu\n", static_cast<unsigned long long>(allocations),
                static_cast<unsigned long long>(rf::loop::here().kernel().enter_count()));
}

int usage() {
    std::fprintf(stderr, "usage: leakcheck sizes | suspend COUNT [recorded|watched] | "
                         "finish COUNT [watched] | serve PORT [watched]\n");
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::strcmp(argv[1], "sizes") == 0) {
        std::printf("record=%zu frame=%zu waiter=%zu\n", sizeof(rf::detail::task_record),
                    sizeof(rf::detail::frame), sizeof(rf::waiter));
        return 0;
    }
    if (argc != 3 && argc != 4) return usage();
    const auto number = arguments::number(argv[2], 1u << 30);
    if (!number) return usage();
    const std::string_view what = argv[1];
    const std::string_view how = argc == 4 ? argv[3] : "";
    rf::leakcheck::watcher watch;
    rf::run_options options;
    options.stop_on = {SIGTERM};
    if (how == "watched")
        options.observer = &watch;
    else if (how == "recorded")
        options.flight_events = 256;
    else if (!how.empty())
        return usage();
    const long count = static_cast<long>(*number);
    if (what == "suspend") return rf::run([&] { return suspend(count); }, options);
    if (what == "finish") return rf::run([&] { return finish(count, how == "watched"); }, options);
    if (what == "serve")
        return rf::run([&] { return serve(static_cast<std::uint16_t>(count)); }, options);
    return usage();
}
