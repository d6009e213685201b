// SPDX-License-Identifier: MIT
#include "floor.hpp"
#include "micro.hpp"

#include <array>
#include <cstdint>

namespace {

using namespace floor_runtime;

/// Waiting senders or receivers, oldest first; any can leave.
template <class Waiter>
class line {
public:
    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    void push(Waiter& one) noexcept {
        one.before = last_;
        one.after = nullptr;
        (last_ != nullptr ? last_->after : first_) = &one;
        last_ = &one;
    }
    void remove(Waiter& one) noexcept {
        (one.before != nullptr ? one.before->after : first_) = one.after;
        (one.after != nullptr ? one.after->before : last_) = one.before;
    }
    Waiter& pop() noexcept {
        Waiter& oldest = *first_;
        remove(oldest);
        return oldest;
    }

private:
    Waiter* first_ = nullptr;
    Waiter* last_ = nullptr;
};

/// Items from task to task; with room for none, from hand to hand.
class channel {
public:
    static constexpr std::uint32_t room_max = 64;
    explicit channel(std::uint32_t room) noexcept : room_(room) {}

    struct sender : job {
        channel* to;
        long item;
        sender* before = nullptr;
        sender* after = nullptr;
        sender(channel& c, long x) noexcept : to(&c), item(x) {}
        bool await_ready() noexcept { return to->try_send(item); }
        void await_suspend(std::coroutine_handle<> caller) noexcept {
            handle = caller;
            to->senders_.push(*this);
        }
        void await_resume() const noexcept {}
    };
    struct receiver {
        channel* from;
        job* owner;  // resumed with it; several may share one, in a select
        receiver* other = nullptr;
        long item = 0;
        bool got = false;
        receiver* before = nullptr;
        receiver* after = nullptr;
    };
    struct receive_one : job {
        receiver self;
        explicit receive_one(channel& c) noexcept : self{&c, this} {}
        bool await_ready() noexcept { return self.from->try_receive(self.item); }
        void await_suspend(std::coroutine_handle<> caller) noexcept {
            handle = caller;
            self.from->receivers_.push(self);
        }
        long await_resume() const noexcept { return self.item; }
    };
    /// From whichever of two has an item first; the other is left alone.
    struct receive_either : job {
        receiver left;
        receiver right;
        receive_either(channel& a, channel& b) noexcept : left{&a, this}, right{&b, this} {
            left.other = &right;
            right.other = &left;
        }
        bool await_ready() noexcept {
            left.got = left.from->try_receive(left.item);
            if (!left.got) right.got = right.from->try_receive(right.item);
            return left.got || right.got;
        }
        void await_suspend(std::coroutine_handle<> caller) noexcept {
            handle = caller;
            left.from->receivers_.push(left);
            right.from->receivers_.push(right);
        }
        bool await_resume() const noexcept { return right.got; }
    };

    sender send(long item) noexcept { return {*this, item}; }
    receive_one receive() noexcept { return receive_one(*this); }

private:
    bool try_send(long item) noexcept {
        if (!receivers_.empty()) {
            receiver& to = receivers_.pop();
            if (to.other != nullptr) to.other->from->receivers_.remove(*to.other);
            to.item = item;
            to.got = true;
            ready.push(*to.owner);
            return true;
        }
        if (held_ == room_) return false;
        items_[(first_ + held_++) % room_max] = item;
        return true;
    }
    bool try_receive(long& item) noexcept {
        if (held_ != 0) {
            item = items_[first_];
            first_ = (first_ + 1) % room_max;
            --held_;
            if (!senders_.empty()) {
                sender& next = senders_.pop();
                items_[(first_ + held_++) % room_max] = next.item;
                ready.push(next);
            }
            return true;
        }
        if (senders_.empty()) return false;
        sender& from = senders_.pop();
        item = from.item;
        ready.push(from);
        return true;
    }

    std::uint32_t room_;
    std::uint32_t first_ = 0;
    std::uint32_t held_ = 0;
    line<sender> senders_;
    line<receiver> receivers_;
    std::array<long, room_max> items_{};
};

/// Places that are taken, or waited for in a line.
class places {
public:
    explicit places(long free) noexcept : free_(free) {}
    struct taker : job {
        places* of;
        explicit taker(places& p) noexcept : of(&p) {}
        bool await_ready() noexcept { return of->free_ != 0 && of->free_-- != 0; }
        void await_suspend(std::coroutine_handle<> caller) noexcept {
            handle = caller;
            of->line_.push(*this);
        }
        void await_resume() const noexcept {}
    };
    taker take() noexcept { return taker(*this); }
    void give_back() noexcept {
        if (line_.empty())
            ++free_;
        else
            ready.push(line_.pop());
    }
    [[nodiscard]] long free() const noexcept { return free_; }

private:
    long free_;
    job_queue line_;
};

child answer(channel* questions, channel* answers, long count) {
    for (long i = 0; i < count; ++i) {
        const long question = co_await questions->receive();
        co_await answers->send(question + 1);
    }
}

child rendezvous(micro::stopwatch* watch, long count) {
    channel there(0);
    channel back(0);
    group both;
    spawn(both, answer(&there, &back, count));
    long x = 0;
    watch->begin();
    for (long i = 0; i < count; ++i) {
        co_await there.send(x);
        x = co_await back.receive();
    }
    watch->end(count);
    if (x != count) std::abort();
    co_await both;
}

child produce(channel* items, long count) {
    for (long i = 0; i < count; ++i)
        co_await items->send(i);
}

child through_64(micro::stopwatch* watch, long count) {
    channel items(channel::room_max);
    group both;
    spawn(both, produce(&items, count));
    long sum = 0;
    watch->begin();
    for (long i = 0; i < count; ++i)
        sum += co_await items.receive();
    watch->end(count);
    if (sum != count * (count - 1) / 2) std::abort();
    co_await both;
}

child select_2(micro::stopwatch* watch, long count) {
    channel left(0);
    channel right(0);
    group both;
    spawn(both, produce(&left, count / 2));
    spawn(both, produce(&right, count / 2));
    long from_right = 0;
    watch->begin();
    for (long i = 0; i < count / 2 * 2; ++i)
        from_right += co_await channel::receive_either(left, right) ? 1 : 0;
    watch->end(count);
    if (from_right != count / 2) std::abort();
    co_await both;
}

child take_and_give(micro::stopwatch* watch, long count, long free) {
    places some(free);
    long inside = 0;
    watch->begin();
    for (long i = 0; i < count; ++i) {
        co_await some.take();
        inside += some.free() < free ? 1 : 0;
        some.give_back();
    }
    watch->end(count);
    if (inside != count) std::abort();
}

constexpr std::array benches{
    micro::floor_bench{"floor_channel_rendezvous_roundtrip",
                       [](micro::stopwatch* watch, long n) { run(rendezvous(watch, n)); }},
    micro::floor_bench{"floor_channel_64_item",
                       [](micro::stopwatch* watch, long n) { run(through_64(watch, n)); }},
    micro::floor_bench{"floor_select_2",
                       [](micro::stopwatch* watch, long n) { run(select_2(watch, n)); }},
    micro::floor_bench{"floor_mutex_uncontended",
                       [](micro::stopwatch* watch, long n) { run(take_and_give(watch, n, 1)); }},
    micro::floor_bench{"floor_semaphore_uncontended",
                       [](micro::stopwatch* watch, long n) { run(take_and_give(watch, n, 4)); }},
};

}  // namespace

std::span<const micro::floor_bench> micro::sync_floors() { return benches; }
