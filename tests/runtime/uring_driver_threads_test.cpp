// SPDX-License-Identifier: MIT
#include "tests/runtime/uring_fixture.hpp"
#include <ringfence/runtime/inbox.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace {

struct letter : rf::inbox_message {
    int sender = 0;
    int number = 0;
};

/// Runs the body once per kind of doorbell: polled once for all, and polled anew each time.
template <class Body>
void with_each_doorbell(Body&& body) {
    for (const char* mask : {"", "multishot_poll", "5.15"}) {
        CAPTURE(mask);
        const rf::test::disabled_features disabled(mask);
        body();
    }
}

}  // namespace

TEST_SUITE("threads uring driver") {
    TEST_CASE("uring driver: a wake from another thread ends the sleep, every time") {
        with_each_doorbell([] {
            constexpr int rounds = 3000;
            auto driver = rf::test::make_driver();
            std::atomic<int> asked{0};
            std::atomic<int> answered{0};
            // One message at a time, so that a wake that is lost stops both for ever.
            std::thread sender([&, driver = driver.get()] {
                for (int round = 1; round <= rounds; ++round) {
                    asked.store(round, std::memory_order_relaxed);
                    driver->wake();
                    answered.wait(round - 1, std::memory_order_acquire);
                }
            });
            for (int seen = 0; seen < rounds;) {
                driver->wait(rf::instant_never);
                CHECK(rf::test::reap_all(*driver).empty());
                const int now = asked.load(std::memory_order_relaxed);
                if (now == seen) continue;
                seen = now;
                answered.store(seen, std::memory_order_release);
                answered.notify_one();
            }
            sender.join();
        });
    }

    TEST_CASE("uring driver: messages of several threads all arrive, each sender's in order") {
        with_each_doorbell([] {
            constexpr int senders_count = 3;
            constexpr int letters_count = 3000;
            auto driver = rf::test::make_driver({.entries = 8, .cq_entries = 16});
            rf::inbox inbox;
            std::vector<std::vector<letter>> letters(senders_count);
            for (auto& own : letters)
                own = std::vector<letter>(letters_count);
            std::vector<std::thread> senders;
            for (int sender = 0; sender < senders_count; ++sender) {
                senders.emplace_back([&, sender, driver = driver.get()] {
                    for (int number = 0; number < letters_count; ++number) {
                        letter& next = letters[static_cast<std::size_t>(sender)]
                                              [static_cast<std::size_t>(number)];
                        next.sender = sender;
                        next.number = number;
                        if (inbox.push(next)) driver->wake();
                        if (number % 16 == 0) std::this_thread::yield();
                    }
                });
            }
            int last[senders_count] = {-1, -1, -1};
            int received = 0;
            std::uint64_t completions = 0;
            for (int turn = 0; received < senders_count * letters_count; ++turn) {
                if (turn % 2 == 0) rf::test::queue_nop(*driver, rf::test::numbered(0));
                driver->wait(rf::instant_never);
                completions += rf::test::reap_all(*driver).size();
                for (auto* message = inbox.take_all(); message != nullptr;
                     message = message->next) {
                    const auto& got = static_cast<letter&>(*message);
                    REQUIRE(got.number == last[got.sender] + 1);
                    last[got.sender] = got.number;
                    ++received;
                }
            }
            for (auto& sender : senders)
                sender.join();
            CHECK(completions > 0);
        });
    }

    TEST_CASE("uring driver: threads that begin together each get a driver") {
        constexpr int count = 4;
        std::atomic<int> worked{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < count; ++i) {
            threads.emplace_back([&] {
                std::string refusal;
                auto driver = rf::make_uring_driver({.entries = 8, .cq_entries = 16}, refusal);
                if (driver == nullptr) return;
                rf::test::queue_nop(*driver, rf::test::numbered(0));
                if (rf::test::collect(*driver, 1).size() == 1) ++worked;
            });
        }
        for (auto& thread : threads)
            thread.join();
        CHECK(worked == count);
    }

    TEST_CASE("uring driver: threads that end take their drivers along, again and again") {
        for (int i = 0; i < 50; ++i) {
            std::thread([] {
                auto driver = rf::test::make_driver({.entries = 8, .cq_entries = 16});
                driver->wake();
                driver->wait(rf::instant_never);
            }).join();
        }
    }
}
