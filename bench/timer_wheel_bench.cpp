// SPDX-License-Identifier: MIT

// What a timer costs: armed and cancelled, as nearly all are, and fired. The baseline is
// std::multimap, the ordered map that a timer queue is written with first.
//
// Prints nanoseconds for one timer, and a hash that depends on every result.

#include "figure_line.hpp"
#include <ringfence/runtime/timer_wheel.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using rf::instant;

constexpr instant second = 1'000'000'000;
constexpr instant timeout = 30 * second;
constexpr std::size_t fire_max = 256;

struct parameters {
    std::size_t timers = 1'000'000;
    int rounds = 5;
};

std::uint64_t hash = 14'695'981'039'346'656'037u;

void mix(std::uint64_t value) { hash = (hash ^ value) * 1'099'511'628'211u; }

struct subject : rf::timer {
    subject() noexcept {
        on_fire = [](rf::timer& fired) noexcept {
            mix(static_cast<std::uint64_t>(fired.deadline()));
        };
    }
};

class wheel_queue {
public:
    static constexpr const char* name = "wheel";
    explicit wheel_queue(std::size_t count) : timers_(new subject[count]) {}
    void arm(std::size_t index, instant deadline) { wheel_.arm(timers_[index], deadline); }
    void cancel(std::size_t index) { wheel_.cancel(timers_[index]); }
    std::size_t fire_due(instant now) { return wheel_.fire_due(now, fire_max); }
    instant next_deadline() { return wheel_.next_deadline(); }

private:
    std::unique_ptr<subject[]> timers_;
    rf::timer_wheel wheel_;
};

class map_queue {
public:
    static constexpr const char* name = "multimap";
    explicit map_queue(std::size_t count) : places_(count) {}
    void arm(std::size_t index, instant deadline) {
        places_[index] = map_.emplace(deadline, index);
    }
    void cancel(std::size_t index) { map_.erase(places_[index]); }
    std::size_t fire_due(instant now) {
        std::size_t fired = 0;
        for (; fired < fire_max && !map_.empty() && map_.begin()->first <= now; ++fired) {
            mix(static_cast<std::uint64_t>(map_.begin()->first));
            map_.erase(map_.begin());
        }
        return fired;
    }
    instant next_deadline() const { return map_.empty() ? rf::instant_never : map_.begin()->first; }

private:
    std::multimap<instant, std::size_t> map_;
    std::vector<std::multimap<instant, std::size_t>::iterator> places_;
};

/// Nanoseconds for each of `count` things that `work` does.
struct measure {
    const char* what;
    figure_line::figure found{};

    template <class Work>
    void round(std::size_t count, Work&& work) {
        const auto each = static_cast<double>(count);
        const std::uint64_t allocated = figure_line::allocations;
        const auto start = std::chrono::steady_clock::now();
        work();
        const std::chrono::duration<double, std::nano> spent =
            std::chrono::steady_clock::now() - start;
        found.allocations = static_cast<double>(figure_line::allocations - allocated) / each;
        found.system_calls = 0;  // there is nothing that could make one
        found.values.push_back(spent.count() / each);
    }
};

template <class Queue>
void run(const parameters& with) {
    std::mt19937_64 random(1);
    const std::size_t count = with.timers;
    std::vector<instant> spread(count);
    for (instant& deadline : spread)
        deadline = static_cast<instant>(random() % static_cast<std::uint64_t>(timeout));
    std::vector<std::size_t> shuffled(count);
    std::iota(shuffled.begin(), shuffled.end(), std::size_t{0});
    std::shuffle(shuffled.begin(), shuffled.end(), random);

    measure arm{"arm, deadlines as they come in a server"};
    measure cancel{"cancel, oldest first"};
    measure arm_spread{"arm, any deadline within 30 s"};
    measure cancel_shuffled{"cancel, any order"};
    measure pair{"arm and cancel one, the others outstanding"};
    measure fire{"sleep and fire until none is left"};
    measure jump{"fire all at once, in batches"};

    const auto spread_all = [&](Queue& queue) {
        for (std::size_t i = 0; i < count; ++i)
            queue.arm(i, spread[i]);
    };
    for (int round = 0; round < with.rounds; ++round) {
        Queue queue(count + 1);
        arm.round(count, [&] {
            for (std::size_t i = 0; i < count; ++i)
                queue.arm(i, timeout + static_cast<instant>(i) * 1000);
        });
        cancel.round(count, [&] {
            for (std::size_t i = 0; i < count; ++i)
                queue.cancel(i);
        });
        arm_spread.round(count, [&] { spread_all(queue); });
        pair.round(count, [&] {
            for (std::size_t i = 0; i < count; ++i) {
                queue.arm(count, timeout + static_cast<instant>(i) * 100);
                queue.cancel(count);
            }
        });
        cancel_shuffled.round(count, [&] {
            for (const std::size_t index : shuffled)
                queue.cancel(index);
        });
        spread_all(queue);
        fire.round(count, [&] {
            while (queue.next_deadline() != rf::instant_never)
                mix(queue.fire_due(queue.next_deadline()) != 0);
        });
        Queue behind(count + 1);
        spread_all(behind);
        jump.round(count, [&] {
            while (behind.fire_due(timeout) != 0) {
            }
        });
    }
    for (const measure& each : {arm, cancel, arm_spread, cancel_shuffled, pair, fire, jump})
        figure_line::print((std::string(Queue::name) + " " + each.what).c_str(), "ns", each.found);
}

}  // namespace

int main(int count, char** arguments) {
    parameters with;
    if (count > 1 && std::string_view(arguments[1]) == "--small")
        with = {.timers = 2'000, .rounds = 2};
    std::printf("# %zu timers, a timer %zu bytes, a wheel %zu bytes\n", with.timers,
                sizeof(rf::timer), sizeof(rf::timer_wheel));
    run<wheel_queue>(with);
    run<map_queue>(with);
    std::printf("# hash %016llx\n", static_cast<unsigned long long>(hash));
}
