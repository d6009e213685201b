// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/detail/owned.hpp>
#include <ringfence/runtime/inbox.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <source_location>
#include <vector>

namespace rf::sync::detail {

class shared_core;

/// Which of the two lines at a shared object: of those who take from it, and of those who give.
enum class shared_side : std::uint8_t { take, give };
inline constexpr std::size_t shared_sides = 2;

/// A task's place in the line of its loop at a shared object.
class shared_wait : public queued_wait {
public:
    shared_wait(shared_wait&&) noexcept = default;
    [[nodiscard]] cancel_outcome cancel() noexcept override;
    [[nodiscard]] shared_side side() const noexcept { return side_; }

protected:
    shared_wait(shared_core& at, shared_side side) noexcept : core_(&at), side_(side) {}
    ~shared_wait() = default;
    shared_core* core_;

private:
    shared_side side_;
};

/// The tasks of one loop that wait at one shared object, and the message that tells their loop to
/// look again. At most one such message is under way, however much there is to tell.
struct shared_port : inbox_message {
    shared_core* core = nullptr;
    loop* owner = nullptr;
    std::array<rf::detail::intrusive_list<shared_wait, rf::detail::list_hook>, shared_sides> lines;
    std::array<std::size_t, shared_sides> waiting{};
    bool posted = false;     // the message is under way, or is being worked off
    bool expecting = false;  // the loop has been told to expect it
    shared_port* next_posted = nullptr;

    [[nodiscard]] bool idle() const noexcept { return waiting[0] + waiting[1] == 0; }
};

/// What primitives between threads are made of: a lock that is held for moments, the lines of each
/// loop, and messages between loops.
///
/// Another thread never grants anything to a task: it changes the object under the lock and tells
/// the loop, which serves its own line on its own thread. So a cancel meets no grant half way, a
/// wait can be taken back at once (and be a case of select), and an item is either in the object or
/// with its receiver, never between the two. The price is that an item may be gone, to somebody who
/// came later, when the loop looks; its tasks then wait on, in their places.
///
/// No wake-up is lost: every change ends in plan(), which tells as many waiters as can be served;
/// a loop that was told and served fewer plans again.
class shared_core {
public:
    shared_core(const char* kind, std::source_location made) noexcept;
    shared_core(const shared_core&) = delete;
    shared_core& operator=(const shared_core&) = delete;
    virtual ~shared_core();

    /// The lock, and at its end the wake-ups that the change calls for. Posts are made after the
    /// lock has been let go.
    class change {
    public:
        explicit change(shared_core& core) noexcept : core_(core), lock_(core.mutex_) {}
        ~change();
        [[nodiscard]] std::unique_lock<std::mutex>& lock() noexcept { return lock_; }

    private:
        shared_core& core_;
        std::unique_lock<std::mutex> lock_;
    };

    // A task's wait; on its loop's thread.
    [[nodiscard]] bool try_serve(shared_wait& wait) noexcept;
    void line_up(shared_wait& wait) noexcept;
    void leave(shared_wait& wait) noexcept;

    // Handles; any thread.
    void add_handle() noexcept;
    void drop_handle() noexcept;

    [[nodiscard]] const identity& id() const noexcept { return identity_; }

protected:
    /// Lets the wait take effect if it can. With the lock held.
    [[nodiscard]] virtual bool serve(shared_wait& wait) noexcept = 0;
    /// At least how many waits of a side can be served now. With the lock held.
    [[nodiscard]] virtual std::size_t ready(shared_side side) const noexcept = 0;

    /// Blocks a plain thread until `until` or until `holds` does, and says whether it does.
    template <class Holds>
    [[nodiscard]] bool block(change& here, shared_side side,
                             std::chrono::steady_clock::time_point until, Holds holds) {
        const auto at = static_cast<std::size_t>(side);
        ++threads_[at];
        const bool held = bells_[at].wait_until(here.lock(), until, holds);
        --threads_[at];
        return held;
    }
    /// When a plain thread that waits for `limit` gives up; on a loop's thread, aborts.
    [[nodiscard]] std::chrono::steady_clock::time_point blocking_until(
        std::chrono::nanoseconds limit) const noexcept;

    struct counts {
        std::size_t handles = 0;
        std::array<std::size_t, shared_sides> waiting{};  // tasks and threads
        std::uint64_t posts = 0;
    };
    [[nodiscard]] counts count() const noexcept;  // with the lock held
    [[nodiscard]] std::mutex& mutex() const noexcept { return mutex_; }

private:
    static void deliver(inbox_message& message) noexcept;
    [[nodiscard]] shared_wait* serve_one(shared_port& port) noexcept;
    [[nodiscard]] shared_port* find_here() noexcept;
    [[nodiscard]] shared_port& port_here();
    [[nodiscard]] shared_port* plan() noexcept;
    void tell(shared_port& port, shared_port*& chain) noexcept;
    static void post(shared_port* chain) noexcept;
    void update_expectation(shared_port& port) noexcept;
    void release() noexcept;

    const identity identity_;
    loop* const home_;  // where it was made; null: on no loop
    mutable std::mutex mutex_;
    std::array<std::condition_variable, shared_sides> bells_;  // of plain threads
    std::array<std::size_t, shared_sides> threads_{};          // plain threads in block()
    std::array<std::size_t, shared_sides> waiting_{};          // tasks in all ports
    std::vector<rf::detail::owned<shared_port>> ports_;        // one a loop that ever waited
    std::size_t next_ = 0;                                     // the port to be told first
    std::size_t handles_ = 0;
    std::uint64_t posts_ = 0;
    std::atomic<std::size_t> references_{0};  // handles, and messages under way
};

/// What lets a thread or a loop use a shared object, and keeps it alive. Copies are other handles
/// to the same object.
template <class Core>
class shared_handle {
public:
    shared_handle(const shared_handle& other) noexcept : core_(other.core_) {
        if (core_ != nullptr) core_->add_handle();
    }
    shared_handle(shared_handle&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
    shared_handle& operator=(shared_handle other) noexcept {
        std::swap(core_, other.core_);
        return *this;
    }
    ~shared_handle() {
        if (core_ != nullptr) core_->drop_handle();
    }

protected:
    explicit shared_handle(Core* made) noexcept : core_(made) { core_->add_handle(); }
    [[nodiscard]] Core& core() const noexcept {
        RF_ASSERT(core_ != nullptr, "a handle to a shared object was used after it was moved from");
        return *core_;
    }

private:
    Core* core_;
};

}  // namespace rf::sync::detail
