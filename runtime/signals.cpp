// SPDX-License-Identifier: MIT
#include <ringfence/runtime/signals.hpp>

#include <ringfence/runtime/loop.hpp>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <thread>

namespace rf::detail {

/// A listener as the handler knows it.
struct signal_slot : inbox_message {
    loop* owner = nullptr;
    signal_callback callback;
    bool abandoned = false;            // the listener is gone, the message is still in the inbox
    std::atomic<bool> posted = false;  // the message is in the inbox
};

namespace {

constexpr std::size_t listeners_max = 64;

// Everything the handler touches: lock-free atomics and nothing else.
std::atomic<std::uint32_t> arrived[signal_numbers];
std::atomic<std::uint32_t> arrived_any;
std::atomic<signal_slot*> listeners[listeners_max];
std::atomic<int> handlers_running;

// Guarded by `installing`; never touched by the handler.
std::mutex installing;
int installed[signal_numbers];
struct sigaction before[signal_numbers];

extern "C" void on_signal(int signal) {
    const int saved = errno;
    handlers_running.fetch_add(1);
    arrived[signal].fetch_add(1);
    arrived_any.fetch_add(1);
    for (auto& listener : listeners) {
        signal_slot* slot = listener.load();
        if (slot == nullptr) continue;
        if (slot->callback.call == nullptr)
            slot->owner->wake();
        else if (!slot->posted.exchange(true))
            slot->owner->post(*slot);  // lock-free, so it may interrupt another post
    }
    handlers_running.fetch_sub(1);
    errno = saved;
}

void on_message(inbox_message& message) noexcept {
    auto& slot = static_cast<signal_slot&>(message);
    if (slot.abandoned) {
        delete &slot;
        return;
    }
    // Before the call: a signal that arrives during it posts again.
    slot.posted.store(false);
    slot.callback.call(slot.callback.context);
}

}  // namespace

signal_listener::signal_listener(loop& owner, const signal_list& signals, signal_callback callback)
    : slot_(new signal_slot), signals_(signals), seen_any_(arrived_any.load()) {
    slot_->run = on_message;
    slot_->owner = &owner;
    slot_->callback = callback;
    const std::lock_guard lock(installing);
    bool placed = false;
    for (auto& listener : listeners) {
        signal_slot* none = nullptr;
        if (listener.compare_exchange_strong(none, slot_)) {
            placed = true;
            break;
        }
    }
    RF_ASSERT(placed, "more than 64 signal listeners in one process");
    for (const int signal : signals_) {
        RF_ASSERT(signal > 0 && signal < signal_numbers, "not a signal number");
        seen_[static_cast<std::size_t>(signal)] = arrived[signal].load();
        if (installed[signal]++ == 0) {
            struct sigaction action{};
            action.sa_handler = on_signal;
            action.sa_flags = SA_RESTART;
            sigfillset(&action.sa_mask);
            const int status = sigaction(signal, &action, &before[signal]);
            RF_ASSERT(status == 0, "this signal cannot be caught");
        }
    }
}

signal_listener::~signal_listener() {
    const std::lock_guard lock(installing);
    for (const int signal : signals_)
        if (--installed[signal] == 0) sigaction(signal, &before[signal], nullptr);
    for (auto& listener : listeners) {
        signal_slot* self = slot_;
        if (listener.compare_exchange_strong(self, nullptr)) break;
    }
    // A handler on another thread may have read the pointer just before.
    while (handlers_running.load() != 0)
        std::this_thread::yield();
    if (slot_->posted.load())
        slot_->abandoned = true;  // freed when the loop takes the message
    else
        delete slot_;
}

std::uint32_t signal_listener::take(int signal) noexcept {
    std::uint32_t& seen = seen_[static_cast<std::size_t>(signal)];
    const std::uint32_t now = arrived[signal].load();
    const std::uint32_t count = now - seen;
    seen = now;
    return count;
}

bool signal_listener::pending() noexcept {
    const std::uint32_t now = arrived_any.load(std::memory_order_acquire);
    return std::exchange(seen_any_, now) != now;
}

}  // namespace rf::detail
