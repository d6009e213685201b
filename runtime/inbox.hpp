// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>

namespace rf {

/// A message to a loop from another thread. The sender owns it until post(), the loop from then
/// until `run` is called, which may free it.
struct inbox_message {
    inbox_message* next = nullptr;
    void (*run)(inbox_message&) noexcept = nullptr;
};

/// Many senders, one receiver. Lock-free: a sender pushes on a stack, the receiver takes the whole
/// stack and turns it round, so messages of one sender arrive in order.
///
/// The payload travels here and only here; the doorbell (driver::wake) carries nothing, so a bell
/// that rings twice or late loses nothing.
class inbox {
public:
    /// Any thread. Returns whether the inbox was empty, in which case the doorbell must be rung.
    [[nodiscard]] bool push(inbox_message& message) noexcept {
        inbox_message* head = head_.load(std::memory_order_relaxed);
        do {
            message.next = head;
        } while (!head_.compare_exchange_weak(head, &message, std::memory_order_release,
                                              std::memory_order_relaxed));
        return head == nullptr;
    }

    /// Receiver only. One load.
    [[nodiscard]] bool empty() const noexcept {
        return head_.load(std::memory_order_acquire) == nullptr;
    }

    /// Receiver only. All messages, oldest first, linked by `next`.
    [[nodiscard]] inbox_message* take_all() noexcept {
        inbox_message* newest = head_.exchange(nullptr, std::memory_order_acquire);
        inbox_message* oldest = nullptr;
        while (newest != nullptr) {
            inbox_message* after = newest->next;
            newest->next = oldest;
            oldest = newest;
            newest = after;
        }
        return oldest;
    }

private:
    std::atomic<inbox_message*> head_{nullptr};
};

}  // namespace rf
