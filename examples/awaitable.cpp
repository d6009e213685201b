// SPDX-License-Identifier: MIT
// How to write an awaitable: a counter whose readers wait until it has reached their mark.
// Explained in docs/how-to/write-an-awaitable.md.
#include <ringfence/ringfence.hpp>

#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>

// [counter]
/// Counts up; tasks wait until it has reached a mark. One loop.
class counter {
public:
    class wait_awaiter;

    void add() noexcept;
    [[nodiscard]] wait_awaiter wait_for(int mark) noexcept;

private:
    int value_ = 0;
    wait_awaiter* waiting_ = nullptr;  // a linked list, newest first; all marks are above value_
};
// [/counter]

// [awaiter]
class [[nodiscard]] counter::wait_awaiter final : public rf::waiter {
public:
    // A constructor, and no aggregate: GCC 12 destroys aggregate awaiters twice.
    wait_awaiter(counter& from, int mark) noexcept : from_(from), mark_(mark) {}
    // Stored and handed on until it is awaited: by with_timeout, when_all and the like.
    wait_awaiter(wait_awaiter&& other) noexcept
        : waiter(std::move(other)), from_(other.from_), mark_(other.mark_) {}

    // 1. Every wait is a cancel point, also one that need not wait.
    bool await_ready() const noexcept { return !cancel_requested() && from_.value_ >= mark_; }

    // 2. Start only if enter() says so: false means that the scope is cancelled.
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (!enter()) return;
        next_ = from_.waiting_;
        from_.waiting_ = this;
    }

    // 3. The wait took effect. Runs once, in the task.
    int await_resume() const noexcept { return from_.value_; }

    // 4. Let go of everything that points here, and say how that went.
    rf::cancel_outcome cancel() noexcept override {
        wait_awaiter** at = &from_.waiting_;
        while (*at != this)
            at = &(*at)->next_;
        *at = next_;
        return rf::cancel_outcome::removed;
    }

    // 5. For the task tree. Runs in a dump: only look.
    void describe(rf::wait_description& out) const override {
        out.kind = "counter";
        out.what =
            "a counter at " + std::to_string(from_.value_) + " to reach " + std::to_string(mark_);
        out.object = &from_;
        out.owner = "whoever calls add()";
    }

private:
    friend class counter;
    counter& from_;
    int mark_;
    wait_awaiter* next_ = nullptr;
};
// [/awaiter]

// [verbs]
counter::wait_awaiter counter::wait_for(int mark) noexcept { return {*this, mark}; }

void counter::add() noexcept {
    ++value_;
    for (wait_awaiter** at = &waiting_; *at != nullptr;) {
        wait_awaiter& each = **at;
        if (each.mark_ > value_) {
            at = &each.next_;
            continue;
        }
        *at = each.next_;  // first let go of it
        each.resume();     // then queue its task, which runs after this function
    }
}
// [/verbs]

namespace {

// [use]
rf::task<> count_to(counter& steps, int last) {
    using namespace std::chrono_literals;
    for (int i = 0; i < last; ++i) {
        co_await rf::sleep_for(1ms);
        steps.add();
    }
}

rf::task<int> use() {
    using namespace std::chrono_literals;
    counter steps;
    co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
        jobs.spawn(count_to, std::ref(steps), 3);
        const int reached = co_await steps.wait_for(2);
        std::printf("reached %d\n", reached);
    });
    // Nobody counts any more: a wait like any other has a timeout, which takes it back.
    const auto fourth = co_await rf::move_on_after(5ms, steps.wait_for(4));
    std::printf("%s\n", fourth ? "reached 4" : "gave up on 4");
    co_return fourth ? 1 : 0;
}
// [/use]

}  // namespace

int main() { return rf::run(use); }
