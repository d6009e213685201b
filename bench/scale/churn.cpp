// SPDX-License-Identifier: MIT
#include "dice.hpp"
#include "scale.hpp"
#include <ringfence/io/buffer_pool.hpp>
#include <ringfence/io/serve.hpp>
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/frame_pool.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rf::io::tcp_listener;
using rf::io::tcp_stream;

constexpr int visitors_count = 64;
// A client's port rests after use; each address to connect to has ports of its own.
constexpr int listeners_count = 8;
constexpr std::size_t message_bytes = 200;
constexpr std::uint64_t patience_us = 2'000;  // of those who are cancelled, at most
constexpr int samples_count = 10;

// What must not grow. The first sample is taken when a tenth is done, and all is warm.
struct sample {
    double memory = 0;
    double descriptors = 0;
    double frames = 0;
    double buffers_out = 0;
};

struct work {
    long wanted = 0;  // connections; 0: until the end
    rf::clock::time_point start;
    std::chrono::seconds length{0};
    long made = 0;
    long cancelled = 0;
    long broken = 0;  // by the other side's cancel
    std::vector<rf::io::endpoint> targets;
    std::vector<sample> samples;

    [[nodiscard]] double done() const {
        if (wanted != 0) return static_cast<double>(made) / static_cast<double>(wanted);
        return std::chrono::duration<double>(rf::clock::now() - start) /
               std::chrono::duration<double>(length);
    }
};

sample take_sample() {
    return {scale::resident_bytes(), scale::open_descriptors(),
            static_cast<double>(rf::frame_pool::statistics().bytes_reserved),
            static_cast<double>(rf::io::buffer_pool::here().out())};
}

rf::task<> answer_all(tcp_stream& peer) {
    while (auto chunk = co_await peer.read())
        co_await peer.write_all(chunk);
}

rf::task<> session(scale::dice* random, work* all, tcp_stream peer) {
    rf::cancel_scope scope;
    if (random->one_in(8)) scope.set_timeout(std::chrono::microseconds(random->below(patience_us)));
    const bool finished = co_await scope.run([&] { return answer_all(peer); });
    if (!finished) ++all->cancelled;
}

rf::task<> visit(scale::dice* random, rf::io::endpoint target) {
    tcp_stream peer = co_await tcp_stream::connect(target);
    std::array<std::byte, message_bytes> message{};
    for (std::uint64_t left = random->below(4); left != 0; --left) {
        co_await peer.write_all(message);
        for (std::size_t got = 0; got < message.size();) {
            auto chunk = co_await peer.read();
            if (!chunk) co_return;
            got += chunk.size();
        }
    }
    if (random->one_in(4)) peer.abort();
}

rf::task<> visitor(work* all, std::uint64_t seed) {
    scale::dice random(seed);
    while (all->done() < 1) {
        const long number = all->made++;
        rf::cancel_scope scope;
        if (random.one_in(4))
            scope.set_timeout(std::chrono::microseconds(random.below(patience_us)));
        try {
            const rf::io::endpoint target =
                all->targets[static_cast<std::size_t>(number) % all->targets.size()];
            const bool finished = co_await scope.run([&] { return visit(&random, target); });
            if (!finished) ++all->cancelled;
        } catch (const rf::io_error&) {
            ++all->broken;
        }
        const auto due = static_cast<double>(all->samples.size() + 1) / samples_count;
        if (all->done() >= due && all->samples.size() < samples_count)
            all->samples.push_back(take_sample());
    }
}

rf::task<> churn_all(work* all) {
    scale::dice random(1);
    std::vector<tcp_listener> listeners;
    for (int i = 0; i < listeners_count; ++i) {
        const std::string address = "127.0.0." + std::to_string(i + 1);
        listeners.push_back(tcp_listener::bind({address, 0}));
        all->targets.push_back(listeners.back().local());
    }
    auto serve_one = [&](tcp_stream peer) { return session(&random, all, std::move(peer)); };
    all->start = rf::clock::now();
    auto visits = [&](rf::nursery& home) -> rf::task<> {
        for (int i = 0; i < visitors_count; ++i)
            home.spawn(visitor, all, static_cast<std::uint64_t>(i) + 100);
        co_return;
    };
    auto body = [&](rf::nursery& home) -> rf::task<> {
        for (tcp_listener& one : listeners)
            home.spawn_service([&one, &serve_one] { return rf::io::serve(one, serve_one); });
        co_await rf::with_nursery(visits);
    };
    co_await rf::with_nursery(body);
}

// Whether the highest of the later samples is about as high as the first one.
bool flat(const std::vector<sample>& samples, const char* name, double sample::* what,
          double allowed) {
    double highest = 0;
    for (const sample& one : samples)
        highest = std::max(highest, one.*what);
    const double first = samples.front().*what;
    std::printf("%s_at_first\t\t%.6g\n%s_at_most\t\t%.6g\n", name, first, name, highest);
    if (highest <= first + allowed) return true;
    std::fprintf(stderr, "scale: %s grew from %.0f to %.0f\n", name, first, highest);
    return false;
}

}  // namespace

int scale::churn(long count, long seconds) {
    work all;
    all.wanted = count;
    all.length = std::chrono::seconds(seconds);
    const double start = processor_seconds();
    const int status = rf::run([&] { return churn_all(&all); });
    if (status != 0) return status;
    const auto made = static_cast<double>(all.made);
    print("connections", "", made);
    print("cancelled", "", static_cast<double>(all.cancelled));
    print("broken", "", static_cast<double>(all.broken));
    print("connection", "us", (processor_seconds() - start) / made * 1e6);
    const double memory_allowed = std::max(512e3, all.samples.front().memory * 0.05);
    bool good = flat(all.samples, "memory", &sample::memory, memory_allowed);
    good &= flat(all.samples, "descriptors", &sample::descriptors, 2 * visitors_count);
    good &= flat(all.samples, "frame_pool", &sample::frames, 512 * 1024);
    good &= flat(all.samples, "buffers_out", &sample::buffers_out, 2 * visitors_count);
    return good ? 0 : 1;
}
