// SPDX-License-Identifier: MIT
#include "programs.hpp"
#include "totals.hpp"
#include <ringfence/io/serve.hpp>
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/runtime/run_sharded.hpp>

#include <csignal>
#include <cstdio>
#include <unistd.h>

namespace {

rf::task<> echo_all(rf::io::tcp_stream peer) {
    while (auto chunk = co_await peer.read())
        co_await peer.write_all(chunk);
}

// A port for each shard, so that whoever connects decides which one serves.
rf::task<> service(rf::shard here) {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
    std::printf("shard=%u thread=%d port=%u\n", here.index(), ::gettid(), listener.local().port());
    std::fflush(stdout);
    co_await rf::io::serve(listener, echo_all);
    echo::print_totals(rf::loop::here().kernel().enter_count());
}

}  // namespace

int echo::serve_shards(std::uint32_t count) {
    return rf::run_sharded(count, service, {.run = {.stop_on = {SIGTERM}}, .pin = true});
}
