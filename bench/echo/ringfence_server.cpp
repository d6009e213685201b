// SPDX-License-Identifier: MIT
#include "programs.hpp"
#include "totals.hpp"
#include <ringfence/io/serve.hpp>
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/runtime/run.hpp>

#include <csignal>
#include <cstdio>

namespace {

rf::task<> echo_all(rf::io::tcp_stream peer) {
    while (auto chunk = co_await peer.read())
        co_await peer.write_all(chunk);
}

rf::task<> service(std::uint16_t port) {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", port});
    std::printf("listening on %s\n", listener.local().to_string().c_str());
    std::fflush(stdout);
    co_await rf::io::serve(listener, echo_all);
    echo::print_totals(rf::loop::here().kernel().enter_count());
}

}  // namespace

int echo::serve_ringfence(std::uint16_t port) {
    return rf::run([&] { return service(port); }, {.stop_on = {SIGTERM}});
}
