// SPDX-License-Identifier: MIT
// A TCP proxy: proxy <listen> <target>, each a port of this machine or address:port.
//
// Either side may finish sending while the other goes on: the end of each direction is passed on by
// itself. A target that does not answer within five seconds costs the client its connection.
#include "examples/arguments.hpp"
#include <ringfence/ringfence.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>

namespace {

using namespace std::chrono_literals;

constexpr auto connect_limit = 5s;

// [copy]
rf::task<> pass_on(rf::io::tcp_stream& from, rf::io::tcp_stream& to) {
    while (auto chunk = co_await from.read())
        co_await to.write_all(chunk);
    co_await to.shutdown_write();
}
// [/copy]

// [session]
rf::task<> session(rf::io::endpoint target, rf::io::tcp_stream client) {
    auto server = co_await rf::with_timeout(connect_limit, rf::io::tcp_stream::connect(target));
    // A reset on one side fails that direction, which cancels the other.
    co_await rf::with_nursery([&](rf::nursery& directions) -> rf::task<> {
        directions.spawn(pass_on, std::ref(client), std::ref(server));
        directions.spawn(pass_on, std::ref(server), std::ref(client));
        co_return;
    });
}
// [/session]

void report_failure(const rf::child_failure& failure) {
    std::fprintf(stderr, "proxy: %s\n", failure.describe().c_str());
}

rf::task<> service(rf::io::endpoint local, rf::io::endpoint target) {
    auto listener = rf::io::tcp_listener::bind(local);
    std::printf("listening on %s\n", listener.local().to_string().c_str());
    std::fflush(stdout);
    auto serve_one = [target](rf::io::tcp_stream client) {
        return session(target, std::move(client));
    };
    rf::io::serve_options options;
    options.on_error = report_failure;
    co_await rf::io::serve(listener, serve_one, options);
}

}  // namespace

int main(int argc, char** argv) {
    const auto local = argc == 3 ? arguments::endpoint(argv[1]) : std::nullopt;
    const auto target = argc == 3 ? arguments::endpoint(argv[2]) : std::nullopt;
    if (!local || !target) {
        std::fprintf(stderr, "usage: proxy <listen> <target>   (port or address:port)\n");
        return 2;
    }
    return rf::run([&] { return service(*local, *target); }, {.stop_on = {SIGINT, SIGTERM}});
}
