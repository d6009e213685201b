// SPDX-License-Identifier: MIT
// What a message costs on one shard and on two: an echo server under rf::run_sharded, the same
// clients in lockstep, processor time of the shards' threads. On a machine with processors to spare
// two shards serve as much more as this figure stays the same.
#include <ringfence/io/serve.hpp>
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/runtime/offload.hpp>
#include <ringfence/runtime/run_sharded.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <time.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr std::size_t message_bytes = 64;
constexpr int clients = 2;  // threads

struct parameters {
    int connections = 256;  // of all clients
    int rounds = 400;       // messages a connection
    int repetitions = 9;
};

rf::task<> echo(rf::io::tcp_stream peer) {
    while (auto chunk = co_await peer.read())
        co_await peer.write_all(chunk);
}

rf::task<double> thread_seconds() {
    timespec now{};
    (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    co_return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Of all shards' threads so far.
rf::task<double> all_seconds() {
    double sum = 0;
    co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
        for (const rf::shard& each : rf::shards()) {
            auto answer = jobs.async_on(each, thread_seconds);
            sum += co_await answer;
        }
    });
    co_return sum;
}

int connect_to(std::uint16_t port) {
    sockaddr_in server{};
    server.sin_family = AF_INET;
    server.sin_port = htons(port);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&server), sizeof server) != 0)
        std::abort();
    return fd;
}

void exchange(const std::vector<int>& connections) {
    std::array<char, message_bytes> message{};
    for (const int fd : connections)
        if (::send(fd, message.data(), message.size(), MSG_NOSIGNAL) != message_bytes) std::abort();
    for (const int fd : connections)
        if (::recv(fd, message.data(), message.size(), MSG_WAITALL) != message_bytes) std::abort();
}

/// The clients' connections, open until it is destroyed.
class load {
public:
    load(std::uint16_t port, int connections) {
        for (int i = 0; i < connections; ++i)
            groups_[static_cast<std::size_t>(i) % clients].push_back(connect_to(port));
    }
    load(const load&) = delete;
    load& operator=(const load&) = delete;
    ~load() {
        for (const auto& group : groups_)
            for (const int fd : group)
                ::close(fd);
    }
    void run(int rounds) const {
        std::vector<std::jthread> threads;
        for (const auto& group : groups_)
            threads.emplace_back([&group, rounds] {
                for (int round = 0; round < rounds; ++round)
                    exchange(group);
            });
    }

private:
    std::array<std::vector<int>, clients> groups_;
};

rf::task<> measure(const parameters& with, double& nanoseconds) {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
    const std::uint16_t port = listener.local().port();
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        const rf::io::serve_options spread{.over = rf::io::spread::round_robin};
        both.spawn([&] { return rf::io::serve(listener, echo, spread); });
        auto connect = [&] { return std::make_unique<load>(port, with.connections); };
        const std::unique_ptr<load> peers = co_await rf::offload("connect", connect);
        auto warm_up = [&] { peers->run(with.rounds / 10 + 1); };
        co_await rf::offload("warm up", warm_up);
        const double before = co_await all_seconds();
        auto load_all = [&] { peers->run(with.rounds); };
        co_await rf::offload("clients", load_all);
        const double after = co_await all_seconds();
        nanoseconds =
            (after - before) * 1e9 / (static_cast<double>(with.rounds) * with.connections);
        both.cancel("measured");
    });
}

double nanoseconds_on(std::uint32_t shards, const parameters& with) {
    double result = 0;
    const int status = rf::run_sharded(shards, [&](rf::shard here) -> rf::task<> {
        if (here.index() == 0) co_await measure(with, result);
    });
    if (status != 0 || result <= 0) std::abort();
    return result;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

}  // namespace

int main(int count, char** arguments) {
    parameters with;
    if (count > 1 && std::string_view(arguments[1]) == "--small")
        with = {.connections = 8, .rounds = 5, .repetitions = 1};
    std::vector<double> one;
    std::vector<double> two;
    std::vector<double> ratios;
    for (int i = 0; i < with.repetitions; ++i) {
        // In turns, and turned round, so that neither has the better moments.
        const bool two_first = i % 2 != 0;
        if (two_first) two.push_back(nanoseconds_on(2, with));
        one.push_back(nanoseconds_on(1, with));
        if (!two_first) two.push_back(nanoseconds_on(2, with));
        ratios.push_back(two.back() / one.back());
    }
    std::printf(
        "shards_echo: %zu bytes, %d connections, lockstep; processor time of the shards\n"
        "shards\tmedian ns\tmin ns\n1\t%.0f\t%.0f\n2\t%.0f\t%.0f\n"
        "ratio\t%.3f\t%.3f\n",
        message_bytes, with.connections, median(one), *std::min_element(one.begin(), one.end()),
        median(two), *std::min_element(two.begin(), two.end()), median(ratios),
        *std::min_element(two.begin(), two.end()) / *std::min_element(one.begin(), one.end()));
}
