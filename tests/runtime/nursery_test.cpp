// SPDX-License-Identifier: MIT
#include "object_tracker.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/frame_pool.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <tests/runtime/sim_report.hpp>
#include <vector>

using namespace std::chrono_literals;
using strings = std::vector<std::string>;

namespace {

rf::task<> say(strings& seen, std::string what) {
    seen.push_back(std::move(what));
    co_return;
}
rf::task<> say_later(strings& seen, std::string what, std::chrono::milliseconds when) {
    co_await rf::sleep_for(when);
    seen.push_back(std::move(what));
}
rf::task<> sleeper() { co_await rf::sleep_forever(); }
rf::task<> nothing() { co_return; }

}  // namespace

TEST_CASE("nursery: returns only when every child has ended") {
    strings seen;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(say_later, std::ref(seen), "slow", 20ms);
            jobs.spawn(say_later, std::ref(seen), "fast", 10ms);
            seen.push_back("body");
            co_return;
        });
        seen.push_back("after");
    });
    CHECK(report.status == 0);
    CHECK(seen == strings{"body", "fast", "slow", "after"});
}

TEST_CASE("nursery: children start in the order of spawning, after the spawner's next wait") {
    strings seen;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(say, std::ref(seen), "a");
            jobs.spawn(say, std::ref(seen), "b");
            seen.push_back("spawned");
            co_await rf::this_task::yield();
            seen.push_back("resumed");
        });
    });
    CHECK(report.status == 0);
    CHECK(seen == strings{"spawned", "a", "b", "resumed"});
}

TEST_CASE("nursery: a capturing lambda and its arguments live as long as the child") {
    test::object_ledger objects;
    strings seen;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            {
                const auto text = std::make_shared<std::string>("captured");
                const test::tracked argument(objects, "argument");
                jobs.spawn(
                    [text, &seen](const test::tracked& borrowed) -> rf::task<> {
                        co_await rf::sleep_for(5ms);
                        seen.push_back(*text + " " + borrowed.label());
                    },
                    argument);
            }
            co_return;
        });
        CHECK(objects.live.empty());
    });
    CHECK(report.status == 0);
    CHECK(seen == strings{"captured argument"});
    CHECK(objects.clean());
}

TEST_CASE("nursery: spawn takes any number of arguments and moves what can only be moved") {
    int sum = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(
                [&](int a, int b, int c, int d, int e, int f) -> rf::task<> {
                    sum += a + b + c + d + e + f;
                    co_return;
                },
                1, 2, 3, 4, 5, 6);
            jobs.spawn(
                [&](std::unique_ptr<int> owned) -> rf::task<> {
                    sum += *owned;
                    co_return;
                },
                std::make_unique<int>(100));
            co_return;
        });
    });
    CHECK(report.status == 0);
    CHECK(sum == 121);
}

TEST_CASE("nursery: hands on the value of its body, and waits for the children first") {
    strings seen;
    int value = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        value = co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<int> {
            jobs.spawn(say_later, std::ref(seen), "child", 5ms);
            co_return 42;
        });
        seen.push_back("value");
    });
    CHECK(report.status == 0);
    CHECK(value == 42);
    CHECK(seen == strings{"child", "value"});
}

TEST_CASE("nursery: children may spawn their siblings, while they live") {
    int count = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            struct tree {
                static rf::task<> grow(rf::nursery& home, int& total, int depth) {
                    ++total;
                    if (depth == 0) co_return;
                    home.spawn(grow, std::ref(home), std::ref(total), depth - 1);
                    home.spawn(grow, std::ref(home), std::ref(total), depth - 1);
                }
            };
            jobs.spawn(tree::grow, std::ref(jobs), std::ref(count), 6);
            co_return;
        });
    });
    CHECK(report.status == 0);
    CHECK(count == 127);
}

TEST_CASE("nursery: nests, and the inner one is over before the outer one goes on") {
    strings seen;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& outer) -> rf::task<> {
            outer.spawn([&]() -> rf::task<> {
                co_await rf::with_nursery([&](rf::nursery& inner) -> rf::task<> {
                    inner.spawn(say_later, std::ref(seen), "inner child", 10ms);
                    co_return;
                });
                seen.push_back("inner over");
            });
            outer.spawn(say_later, std::ref(seen), "outer child", 20ms);
            co_return;
        });
        seen.push_back("outer over");
    });
    CHECK(report.status == 0);
    CHECK(seen == strings{"inner child", "inner over", "outer child", "outer over"});
}

TEST_CASE("nursery: cancel ends body and children, and with_nursery returns") {
    bool body_went_on = false;
    bool returned = false;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(sleeper);
            jobs.spawn([&jobs]() -> rf::task<> {
                co_await rf::sleep_for(3ms);
                jobs.cancel("enough");
                CHECK(jobs.cancelled());
            });
            co_await rf::sleep_forever();
            body_went_on = true;
        });
        returned = true;
        co_await rf::sleep_for(1ms);
    });
    CHECK(report.status == 0);
    CHECK_FALSE(body_went_on);
    CHECK(returned);
    CHECK(report.final.tasks_cancelled == 1);
}

TEST_CASE("nursery: a child spawned in a cancelled nursery is destroyed without running") {
    bool ran = false;
    test::object_ledger objects;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.cancel();
            jobs.spawn(
                [&ran](test::tracked) -> rf::task<> {
                    ran = true;
                    co_return;
                },
                test::tracked(objects));
            co_return;
        });
    });
    CHECK(report.status == 0);
    CHECK_FALSE(ran);
    CHECK(objects.clean());
}

TEST_CASE("nursery: cancelled from outside, it waits for its children and unwinds") {
    test::object_ledger objects;
    bool went_on = false;
    const auto report = test::run_sim([&]() -> rf::task<> {
        rf::cancel_scope scope;
        co_await rf::with_nursery([&](rf::nursery& outer) -> rf::task<> {
            outer.spawn([&]() -> rf::task<> {
                const bool finished = co_await scope.run([&]() -> rf::task<> {
                    co_await rf::with_nursery([&](rf::nursery& inner) -> rf::task<> {
                        inner.spawn([&]() -> rf::task<> {
                            test::tracked local(objects, "child");
                            co_await rf::sleep_forever();
                        });
                        test::tracked local(objects, "body");
                        co_await rf::sleep_forever();
                    });
                    went_on = true;
                });
                CHECK_FALSE(finished);
                CHECK(objects.live.empty());
            });
            co_await rf::sleep_for(1ms);
            CHECK(objects.live.size() == 2);
            scope.cancel();
        });
    });
    CHECK(report.status == 0);
    CHECK_FALSE(went_on);
    CHECK(objects.clean());
}

TEST_CASE("nursery: joining without children is still a cancel point") {
    bool went_on = false;
    const auto report = test::run_sim([&]() -> rf::task<> {
        rf::cancel_scope scope;
        const bool finished = co_await scope.run([&]() -> rf::task<> {
            co_await rf::with_nursery([&](rf::nursery&) -> rf::task<> {
                scope.cancel();
                co_return;
            });
            went_on = true;
        });
        CHECK_FALSE(finished);
    });
    CHECK(report.status == 0);
    CHECK_FALSE(went_on);
}

TEST_CASE("nursery: services end after the body and all other children") {
    strings seen;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn_service([&]() -> rf::task<> {
                struct on_end {
                    strings& into;
                    ~on_end() { into.push_back("service ended"); }
                } note{seen};
                co_await rf::sleep_forever();
            });
            jobs.spawn(say_later, std::ref(seen), "child", 10ms);
            CHECK(jobs.statistics().services_live == 1);
            CHECK(jobs.size() == 1);
            co_await rf::sleep_for(5ms);
            seen.push_back("body");
        });
        seen.push_back("after");
    });
    CHECK(report.status == 0);
    CHECK(seen == strings{"body", "child", "service ended", "after"});
}

TEST_CASE("nursery: the root nursery's services end with the program") {
    const auto report = test::run_sim([]() -> rf::task<> {
        rf::root_nursery().spawn_service(sleeper);
        co_await rf::sleep_for(1ms);
    });
    CHECK(report.status == 0);
    CHECK(report.final.tasks_cancelled == 1);
}

TEST_CASE("nursery: statistics count what was started, failed, cancelled and lives") {
    const auto report = test::run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(nothing);
            jobs.spawn(sleeper);
            CHECK(jobs.statistics().live == 2);
            co_await rf::sleep_for(1ms);
            CHECK(jobs.statistics().live == 1);
            CHECK(jobs.statistics().started == 2);
            jobs.cancel();
        });
    });
    CHECK(report.status == 0);
    CHECK(report.final.tasks_live == 0);
    CHECK(report.final.tasks_started == 3);
    CHECK(report.final.tasks_peak == 3);
}

TEST_CASE("nursery: a hundred thousand children at a time") {
    std::uint64_t ended = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            for (int i = 0; i < 100'000; ++i)
                jobs.spawn(
                    [&ended](int which) -> rf::task<> {
                        co_await rf::sleep_for(std::chrono::milliseconds(which % 100));
                        ++ended;
                    },
                    i);
            co_return;
        });
    });
    CHECK(report.status == 0);
    CHECK(ended == 100'000);
    CHECK(report.final.tasks_peak == 100'001);
}

TEST_CASE("nursery: does not grow, however many short tasks it has spawned") {
    // Under a sanitizer, where each frame is an allocation, a tenth of it unless at full length.
    const bool shorter = RF_PLAIN_FRAMES != 0 && std::getenv("RF_TEST_ALL") == nullptr;
    const std::uint64_t total = shorter ? 1'000'000 : 10'000'000;
    constexpr std::uint64_t batch = 1000;
    rf::frame_pool_statistics early;
    rf::frame_pool_statistics late;
    std::uint64_t ended = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            for (std::uint64_t spawned = 0; spawned < total; spawned += batch) {
                for (std::uint64_t i = 0; i < batch; ++i)
                    jobs.spawn([&ended]() -> rf::task<> {
                        ++ended;
                        co_return;
                    });
                while (jobs.size() != 0)
                    co_await rf::this_task::yield();
                if (spawned == 0) early = rf::frame_pool::statistics();
            }
            late = rf::frame_pool::statistics();
        });
    });
    CHECK(report.status == 0);
    CHECK(ended == total);
    CHECK(late.blocks_live == early.blocks_live);
    CHECK(late.bytes_live == early.bytes_live);
    CHECK(late.bytes_reserved == early.bytes_reserved);
}
