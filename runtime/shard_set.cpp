// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/shard_set.hpp>

#include <ringfence/runtime/detail/exception_text.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/nursery.hpp>
#include <ringfence/runtime/run_observer.hpp>
#include <ringfence/runtime/task_tree.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

namespace rf::detail {
namespace {

// For the other shards to print their trees before the process aborts.
constexpr std::chrono::milliseconds dump_patience{500};

// Each of many shards may ask the same within moments.
constexpr instant told_anew_after = 1'000'000'000;

constexpr std::size_t to_index(shard_order order) noexcept {
    return static_cast<std::size_t>(order);
}

void print_tree(const shard_state& of) noexcept {
    const std::string text =
        fmt::format("shard {}: {}{}", of.index, task_tree(*of.owner), of.owner->recent_events());
    std::fputs(text.c_str(), stderr);  // one call, so that trees do not mingle
}

}  // namespace

shard_set::shard_set(std::uint32_t count, std::chrono::nanoseconds drain_grace)
    : count_(count), drain_grace_(drain_grace), states_(new shard_state[count]), open_(count) {
    for (std::uint32_t index = 0; index < count; ++index) {
        shard_state& state = states_[index];
        state.set = this;
        state.index = index;
        state.guest_name = fmt::format("of shard {}", index);
        for (std::size_t order = 0; order < shard_orders; ++order) {
            shard_note& note = state.notes[order];
            note.run = &shard_set::obey;
            note.to = &state;
            note.order = static_cast<shard_order>(order);
        }
        handles_.push_back(shard_access::make(state));
    }
}

// On the thread of the shard that is told.
void shard_set::obey(inbox_message& message) noexcept {
    auto& note = static_cast<shard_note&>(message);
    shard_state& self = *note.to;
    shard_set& set = *self.set;
    switch (note.order) {
    case shard_order::count_listeners: set.answer_listeners(self.owner->drain_listeners); return;
    case shard_order::drain: self.root->drain(set.drain_grace_); return;
    case shard_order::cancel: self.root->cancel(set.reason_); return;
    case shard_order::dump:
        note.posted.store(false);  // before the dump: who asks during it wants another
        print_tree(self);
        set.dumps_.fetch_add(1);
        return;
    case shard_order::guests:
        note.posted.store(false);
        print_guests(self);
        return;
    case shard_order::end: self.owner->post_arrived(); return;
    }
}

void shard_set::print_guests(shard_state& of) noexcept {
    loop& owner = *of.owner;
    const instant now = owner.cached_now();
    const bool lately = of.guests_told != instant_never && now - of.guests_told < told_anew_after;
    if (of.guests->idle() || lately) return;
    of.guests_told = now;
    std::string text = fmt::format(
        "ringfence: shard {}: what it runs for other shards keeps one of them from ending:\n",
        of.index);
    if (owner.observer != nullptr) text += owner.observer->held_up(owner);
    text += task_tree(of.guests->scope()) + owner.recent_events();
    std::fputs(text.c_str(), stderr);
}

void shard_set::tell_all(shard_order order) noexcept {
    const std::lock_guard guard(lock_);
    if (ended_) return;  // loops may be gone, and their tasks are
    for (std::uint32_t index = 0; index < count_; ++index) {
        shard_state& to = states_[index];
        shard_note& note = to.notes[to_index(order)];
        if (!note.posted.exchange(true)) to.owner->post(note);
    }
}

void shard_set::cancel_all(const std::string& reason) noexcept {
    {
        const std::lock_guard guard(lock_);
        if (reason_.empty()) reason_ = reason;
    }
    tell_all(shard_order::cancel);
}

void shard_set::fail(shard_state& where, const std::exception_ptr& error) noexcept {
    {
        const std::lock_guard guard(lock_);
        if (error_ == nullptr) {
            error_ = error;
            failed_shard_ = static_cast<int>(where.index);
        }
    }
    cancel_all(fmt::format("shard {} failed: {}", where.index, exception_text(error)));
}

void shard_set::stop(int signal) noexcept {
    switch (++stops_) {
    case 1:
        stopped_by_ = signal;
        answers_left_.store(count_);
        tell_all(shard_order::count_listeners);
        return;
    case 2: cancelled_by_ = signal; return cancel_all(fmt::format("signal {}, the second", signal));
    default: abort_with_dump(signal);
    }
}

// If nobody on any shard listens for drains, the first signal cancels, as under rf::run.
void shard_set::answer_listeners(std::uint64_t count) noexcept {
    listeners_.fetch_add(count);
    if (answers_left_.fetch_sub(1) != 1) return;
    if (listeners_.load() != 0) return tell_all(shard_order::drain);
    cancel_all(fmt::format("signal {}", stopped_by_));
}

// Each tree is printed by the thread it belongs to. One that is stuck has none, and is named.
void shard_set::abort_with_dump(int signal) noexcept {
    std::fprintf(stderr, "ringfence: third stop signal (%d); aborting with\n", signal);
    print_tree(*shard_access::state(this_shard()));
    const std::uint32_t before = dumps_.load();
    dump();
    const auto give_up = std::chrono::steady_clock::now() + dump_patience;
    while (dumps_.load() - before < count_ - 1 && std::chrono::steady_clock::now() < give_up)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    for (const shard& each : handles_) {
        const shard_note& asked = shard_access::state(each)->notes[to_index(shard_order::dump)];
        if (each == this_shard() || !asked.posted.load()) continue;
        std::fprintf(stderr,
                     "shard %u: gave no answer in %d ms: its thread computes or blocks without "
                     "co_await; a debugger shows where\n",
                     each.index(), static_cast<int>(dump_patience.count()));
    }
    std::abort();
}

void shard_set::close(shard_state& where) noexcept {
    where.closed = true;
    where.root->drain();  // a guest that asks for a daemon from now on is refused
    const std::lock_guard guard(lock_);
    if (--open_ != 0) return;
    ended_ = true;
    for (std::uint32_t index = 0; index < count_; ++index)
        states_[index].owner->post(states_[index].notes[to_index(shard_order::end)]);
}

}  // namespace rf::detail
