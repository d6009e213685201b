// SPDX-License-Identifier: MIT
#include "floor.hpp"
#include "fresh.hpp"
#include "micro.hpp"
#include <ringfence/io/serve.hpp>
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel.hpp>

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

[[noreturn]] void give_up(const char* what) {
    std::fprintf(stderr, "micro: cannot %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

// Idle tasks: blocked on a channel, spawned in one nursery.

rf::task<> wait_for_item(rf::sync::channel<long>* items) { (void)co_await items->receive(); }

rf::task<> idle_tasks(micro::stopwatch*, long count) {
    rf::sync::channel<long> items(0);
    co_await rf::with_nursery([&](rf::nursery& children) -> rf::task<> {
        children.spawn(wait_for_item, &items);
        co_await rf::this_task::yield();
        const long before = micro::resident_bytes();
        for (long i = 0; i < count; ++i)
            children.spawn(wait_for_item, &items);
        while (items.statistics().receivers < static_cast<std::size_t>(count) + 1)
            co_await rf::this_task::yield();
        std::printf("%.1f\n", static_cast<double>(micro::resident_bytes() - before) /
                                  static_cast<double>(count));
        children.cancel();
    });
}

struct blocked : floor_runtime::job {
    blocked* before = nullptr;
    blocked** list;
    explicit blocked(blocked** of) noexcept : list(of) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> caller) noexcept {
        handle = caller;
        before = *list;
        *list = this;
    }
    void await_resume() const noexcept {}
};

floor_runtime::child wait_in(blocked** list) { co_await blocked(list); }

void floor_idle_tasks(long count) {
    floor_runtime::group all;
    blocked* list = nullptr;
    floor_runtime::spawn(all, wait_in(&list));
    floor_runtime::run_ready();
    const long before = micro::resident_bytes();
    for (long i = 0; i < count; ++i)
        floor_runtime::spawn(all, wait_in(&list));
    floor_runtime::run_ready();
    std::printf("%.1f\n",
                static_cast<double>(micro::resident_bytes() - before) / static_cast<double>(count));
}

// Idle connections: a server in the fresh process, their other ends here.

rf::task<> echo(rf::io::tcp_stream peer) {
    while (auto chunk = co_await peer.read())
        co_await peer.write_all(chunk);
}

rf::task<> serve(micro::stopwatch*, long) {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
    std::printf("%u\n", static_cast<unsigned>(listener.local().port()));
    std::fflush(stdout);
    co_await rf::io::serve(listener, echo);
}

int connect_and_echo(std::uint16_t port) {
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(port);
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (made < 0 || ::connect(made, reinterpret_cast<sockaddr*>(&peer), sizeof peer) != 0)
        give_up("connect");
    char byte = 'x';
    if (::send(made, &byte, 1, MSG_NOSIGNAL) != 1 || ::recv(made, &byte, 1, 0) != 1)
        give_up("exchange a byte");
    return made;
}

double bytes_of_idle_connection(long count) {
    micro::raise_descriptor_limit();
    micro::fresh server("serve_idle", count);
    const auto port = static_cast<std::uint16_t>(server.read_number());
    std::vector<int> peers;
    peers.push_back(connect_and_echo(port));
    const long before = micro::resident_bytes(server.pid());
    for (long i = 0; i < count; ++i)
        peers.push_back(connect_and_echo(port));
    const long after = micro::resident_bytes(server.pid());
    for (const int one : peers)
        ::close(one);
    server.stop();
    return static_cast<double>(after - before) / static_cast<double>(count);
}

double printed_by(const char* role, long count) {
    micro::fresh process(role, count);
    const double value = process.read_number();
    process.wait();
    return value;
}

constexpr std::array benches{
    micro::memory_bench{"idle_task_bytes", 100'000,
                        [](long n) { return printed_by("idle_tasks", n); }},
    micro::memory_bench{"floor_idle_task_bytes", 100'000,
                        [](long n) { return printed_by("floor_idle_tasks", n); }},
    micro::memory_bench{"idle_connection_bytes", 9'000, bytes_of_idle_connection},
};

}  // namespace

std::span<const micro::memory_bench> micro::memory_benches() { return benches; }

int micro::fresh_process(const char* role, long count) {
    const std::string_view what = role;
    if (what == "idle_tasks") {
        run_on_loop(idle_tasks, nullptr, count);
    } else if (what == "floor_idle_tasks") {
        floor_idle_tasks(count);
    } else if (what == "serve_idle") {
        raise_descriptor_limit();
        return rf::run([] { return serve(nullptr, 0); }, {.stop_on = {SIGTERM}});
    } else {
        std::fprintf(stderr, "micro: there is no role %s\n", role);
        return 2;
    }
    return 0;
}
