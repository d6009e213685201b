// SPDX-License-Identifier: MIT
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <coroutine>
#include <stdexcept>
#include <string>
#include <tests/runtime/sim_report.hpp>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

// Awaitables that know nothing of ringfence.

struct ready_at_once {
    bool await_ready() { return true; }
    void await_suspend(std::coroutine_handle<>) {}
    int await_resume() { return 11; }
};

struct handed_over {
    std::coroutine_handle<>& where;
    explicit handed_over(std::coroutine_handle<>& to) : where(to) {}
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> handle) { where = handle; }
    int await_resume() { return 12; }
};

struct goes_on_at_once {
    bool await_ready() { return false; }
    bool await_suspend(std::coroutine_handle<>) { return false; }
    int await_resume() { return 13; }
};

struct resumes_itself {
    bool await_ready() { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> handle) { return handle; }
    int await_resume() { return 14; }
};

struct resumes_inside {
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> handle) { handle.resume(); }
    int await_resume() { return 15; }
};

struct has_operator {
    ready_at_once operator co_await() const { return {}; }
};

struct from_thread {
    std::thread& worker;
    explicit from_thread(std::thread& to) : worker(to) {}
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
        worker = std::thread([handle] { handle.resume(); });
    }
    std::thread::id await_resume() { return std::this_thread::get_id(); }
};

}  // namespace

TEST_CASE("foreign: plain awaitables of every shape are legal in a task") {
    std::vector<int> got;
    const auto report = test::run_sim([&]() -> rf::task<> {
        got.push_back(co_await ready_at_once());
        got.push_back(co_await goes_on_at_once());
        got.push_back(co_await resumes_itself());
        got.push_back(co_await resumes_inside());
        got.push_back(co_await has_operator());
    });
    CHECK(report.status == 0);
    CHECK(got == std::vector{11, 13, 14, 15, 11});
}

TEST_CASE("foreign: resuming the handle queues the task and runs nothing inside the call") {
    std::coroutine_handle<> handle;
    std::vector<std::string> seen;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                const int got = co_await handed_over(handle);
                CHECK(got == 12);
                seen.push_back("resumed");
            });
            both.spawn([&]() -> rf::task<> {
                co_await rf::sleep_for(1ms);
                seen.push_back("before");
                handle.resume();
                seen.push_back("after");
            });
            co_return;
        });
    });
    CHECK(report.status == 0);
    CHECK(seen == std::vector<std::string>{"before", "after", "resumed"});
}

TEST_CASE("foreign: a wait that cannot be cancelled keeps its scope open and shows as foreign") {
    std::coroutine_handle<> handle;
    std::string tree;
    bool went_on = false;
    bool got_value = false;
    rf::instant ended = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        const rf::instant begin = rf::loop::here().now();
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                (void)co_await rf::move_on_after(5ms, [&]() -> rf::task<> {
                    const int got = co_await handed_over(handle);
                    got_value = got == 12;
                    co_await rf::this_task::checkpoint();
                    went_on = true;
                });
                ended = rf::loop::here().now() - begin;
            });
            co_await rf::sleep_for(20ms);
            tree = rf::task_tree(rf::loop::here());
            handle.resume();
        });
    });
    CHECK(report.status == 0);
    CHECK(got_value);
    CHECK_FALSE(went_on);
    CHECK(ended >= 20'000'000);
    CHECK(tree.find("foreign for an awaitable that is not of ringfence") != tree.npos);
    CHECK(tree.find("not cancellable, CANCELLED and not yet unwound") != tree.npos);
}

TEST_CASE("foreign: in a cancelled scope it is not even started") {
    bool started = false;
    bool went_on = false;
    struct notes_start {
        bool& started;
        bool await_ready() { return false; }
        void await_suspend(std::coroutine_handle<> handle) {
            started = true;
            handle.resume();
        }
        void await_resume() {}
    };
    const auto report = test::run_sim([&]() -> rf::task<> {
        rf::cancel_scope scope;
        scope.cancel();
        const bool finished = co_await scope.run([&]() -> rf::task<> {
            notes_start wait{started};
            co_await wait;
        });
        CHECK_FALSE(finished);
        (void)co_await scope.run([&]() -> rf::task<> {
            const int got = co_await ready_at_once();
            went_on = got == 11;
        });
    });
    CHECK(report.status == 0);
    CHECK_FALSE(started);
    CHECK_FALSE(went_on);
}

#if RF_EXCEPTIONS
TEST_CASE("foreign: an exception out of await_suspend is thrown at the co_await") {
    struct throws_at_start {
        bool await_ready() { return false; }
        void await_suspend(std::coroutine_handle<>) { throw std::runtime_error("no start"); }
        void await_resume() {}
    };
    bool caught = false;
    const auto report = test::run_sim([&]() -> rf::task<> {
        try {
            co_await throws_at_start();
        } catch (const std::runtime_error&) {
            caught = true;
        }
        co_await rf::sleep_for(1ms);
    });
    CHECK(report.status == 0);
    CHECK(caught);
}

TEST_CASE("foreign: a throw out of await_suspend counts even if the handle was resumed before") {
    struct resumes_and_throws {
        bool await_ready() { return false; }
        void await_suspend(std::coroutine_handle<> handle) {
            handle.resume();
            throw std::runtime_error("too late");
        }
        void await_resume() { resumed = true; }
        bool& resumed;
    };
    int caught = 0;
    bool resumed = false;
    const auto report = test::run_sim([&]() -> rf::task<> {
        resumes_and_throws wait{resumed};
        try {
            co_await wait;
        } catch (const std::runtime_error&) {
            ++caught;
        }
        co_await rf::sleep_for(1ms);
    });
    CHECK(report.status == 0);
    CHECK(caught == 1);
    CHECK_FALSE(resumed);
}
#endif

TEST_SUITE("foreign threads") {
#if RF_EXCEPTIONS
    TEST_CASE("foreign: a throw after another thread has resumed the handle is not lost") {
        struct resumes_elsewhere_and_throws {
            bool await_ready() { return false; }
            void await_suspend(std::coroutine_handle<> handle) {
                std::thread([handle] { handle.resume(); }).join();
                throw std::runtime_error("too late");
            }
            void await_resume() {}
        };
        int caught = 0;
        const auto report = rf::run_and_report([&]() -> rf::task<> {
            for (int i = 0; i < 8; ++i) {
                try {
                    co_await resumes_elsewhere_and_throws();
                } catch (const std::runtime_error&) {
                    ++caught;
                }
            }
        });
        CHECK(report.refusal == "");
        CHECK(report.status == 0);
        CHECK(caught == 8);
    }
#endif
    TEST_CASE("foreign: a handle resumed on another thread goes on on its own loop's thread") {
        std::vector<std::thread> workers(8);
        int back_home = 0;
        const auto home = std::this_thread::get_id();
        const auto report = rf::run_and_report([&]() -> rf::task<> {
            for (std::thread& worker : workers) {
                const auto where = co_await from_thread(worker);
                if (where == home) ++back_home;
            }
        });
        for (std::thread& worker : workers)
            if (worker.joinable()) worker.join();
        CHECK(report.refusal == "");
        CHECK(report.status == 0);
        CHECK(back_home == 8);
    }

    TEST_CASE("loop: messages from many threads all arrive, each sender's in order") {
        constexpr int senders = 4;
        constexpr int messages = 500;
        struct numbered : rf::inbox_message {
            int sender = 0;
            int number = 0;
            std::vector<std::vector<int>>* into = nullptr;
            rf::loop* owner = nullptr;
        };
        std::vector<std::vector<int>> got(senders);
        std::vector<std::vector<numbered>> sent(senders, std::vector<numbered>(messages));
        std::vector<std::thread> threads;
        const auto report = rf::run_and_report([&]() -> rf::task<> {
            rf::loop& here = rf::loop::here();
            for (int s = 0; s < senders; ++s) {
                for (int m = 0; m < messages; ++m) {
                    numbered& one = sent[static_cast<std::size_t>(s)][static_cast<std::size_t>(m)];
                    one.sender = s;
                    one.number = m;
                    one.into = &got;
                    one.owner = &here;
                    one.run = [](rf::inbox_message& message) noexcept {
                        auto& self = static_cast<numbered&>(message);
                        (*self.into)[static_cast<std::size_t>(self.sender)].push_back(self.number);
                        self.owner->post_arrived();
                    };
                    here.expect_post();
                }
            }
            for (int s = 0; s < senders; ++s)
                threads.emplace_back([&here, &mine = sent[static_cast<std::size_t>(s)]] {
                    for (numbered& one : mine)
                        here.post(one);
                });
            co_return;
        });
        for (std::thread& thread : threads)
            thread.join();
        CHECK(report.status == 0);
        for (const std::vector<int>& list : got) {
            REQUIRE(list.size() == messages);
            for (int m = 0; m < messages; ++m)
                CHECK(list[static_cast<std::size_t>(m)] == m);
        }
    }
}
