// SPDX-License-Identifier: MIT
#include "micro.hpp"
#include <ringfence/runtime/run.hpp>
#include <ringfence/sync/shared_channel.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>
#include <span>
#include <thread>
#include <vector>

namespace {

using rf::sync::shared_channel;

constexpr long batch_size = 256;
constexpr std::size_t room = 16 * batch_size;

rf::task<> produce(shared_channel<long> items, long count) {
    std::vector<long> batch(batch_size);
    for (long first = 0; first < count; first += batch_size) {
        const long size = std::min(batch_size, count - first);
        std::iota(batch.begin(), batch.begin() + size, first);
        std::span<long> rest(batch.data(), static_cast<std::size_t>(size));
        while (!rest.empty()) {
            const std::size_t sent = co_await items.send_many(rest);
            rest = rest.subspan(sent);
        }
    }
    items.close();
}

// Two loops on two threads. The time is that of the receiving one, from the start of the other.
rf::task<> between_loops(micro::stopwatch* watch, long count) {
    shared_channel<long> items(room);
    std::vector<long> got;
    got.reserve(room);
    watch->begin();
    const std::jthread other([items, count] {
        const rf::run_report report = rf::run_and_report([&] { return produce(items, count); });
        if (report.status != 0) std::abort();
    });
    long sum = 0;
    for (std::size_t more = 1; more != 0;) {
        got.clear();
        more = co_await items.receive_many(got, room);
        for (const long item : got)
            sum += item;
    }
    watch->end(count);
    if (sum != count * (count - 1) / 2) std::abort();
}

constexpr std::array benches{
    micro::bench{"shared_channel_item", 10'000'000, between_loops},
};

}  // namespace

std::span<const micro::bench> micro::shared_benches() { return benches; }
