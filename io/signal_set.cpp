// SPDX-License-Identifier: MIT
#include <ringfence/io/signal_set.hpp>

#include <ringfence/runtime/loop.hpp>

#include <cstring>
#include <utility>

namespace rf::io {

/// What has arrived and has not been taken.
class detail::signal_queue {
public:
    explicit signal_queue(const signal_list& signals)
        : signals_(signals), listener_(loop::here(), signals, {&signal_queue::arrived, this}) {}
    ~signal_queue() {
        RF_ASSERT(reader_ == nullptr, "a signal_set was destroyed while a task waits for it");
    }

    [[nodiscard]] bool empty() noexcept {
        collect();
        for (const int signal : signals_)
            if (waiting_[static_cast<std::size_t>(signal)] != 0) return false;
        return true;
    }
    [[nodiscard]] int pop() noexcept {
        collect();
        for (const int signal : signals_) {
            std::uint64_t& count = waiting_[static_cast<std::size_t>(signal)];
            if (count != 0) {
                --count;
                return signal;
            }
        }
        return 0;
    }

    // A task that waits for a signal waits for the outside world: the loop must not call it stuck.
    void wait(signal_awaiter& reader) noexcept {
        RF_ASSERT(reader_ == nullptr, "two tasks wait for one signal_set");
        reader_ = &reader;
        loop::here().expect_post();
    }
    void forget() noexcept {
        reader_ = nullptr;
        loop::here().post_arrived();
    }
    [[nodiscard]] std::string describe() const {
        std::string text = "a signal:";
        for (const int signal : signals_)
            text += " SIG" + std::string(::sigabbrev_np(signal));
        return text;
    }

private:
    void collect() noexcept {
        for (const int signal : signals_)
            waiting_[static_cast<std::size_t>(signal)] += listener_.take(signal);
    }
    static void arrived(void* self) noexcept {
        auto& queue = *static_cast<signal_queue*>(self);
        if (queue.reader_ == nullptr || queue.empty()) return;
        signal_awaiter& reader = *queue.reader_;
        queue.forget();
        reader.wake();
    }

    signal_list signals_;
    std::array<std::uint64_t, rf::detail::signal_numbers> waiting_{};
    signal_awaiter* reader_ = nullptr;
    rf::detail::signal_listener listener_;
};

namespace detail {

bool signal_awaiter::await_ready() const noexcept {
    return !cancel_requested() && !queue_->empty();
}

void signal_awaiter::await_suspend(std::coroutine_handle<>) noexcept {
    if (enter()) start();
}

void signal_awaiter::start() noexcept { queue_->wait(*this); }

int signal_awaiter::await_resume() noexcept { return queue_->pop(); }

cancel_outcome signal_awaiter::cancel() noexcept {
    queue_->forget();
    return cancel_outcome::removed;
}

void signal_awaiter::describe(wait_description& out) const {
    out.kind = "signal";
    out.what = queue_->describe();
    out.object = queue_;
    out.owner = "another process";
}

}  // namespace detail

signal_set::signal_set(const signal_list& signals)
    : queue_(std::make_unique<detail::signal_queue>(signals)) {}
signal_set::signal_set(signal_set&& other) noexcept = default;
signal_set& signal_set::operator=(signal_set&& other) noexcept = default;
signal_set::~signal_set() = default;

detail::signal_awaiter signal_set::next() noexcept {
    RF_ASSERT(queue_ != nullptr, "a signal_set was used after it was moved from");
    return detail::signal_awaiter(*queue_);
}

int signal_set::try_next() noexcept { return queue_->pop(); }

}  // namespace rf::io
