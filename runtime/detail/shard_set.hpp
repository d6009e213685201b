// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/inbox.hpp>
#include <ringfence/runtime/shard.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace rf {
class loop;
class nursery;
}  // namespace rf

namespace rf::detail {

class shard_run;
class shard_set;

/// What one shard can be told by the set. Each has one message of its own per shard.
enum class shard_order : std::uint8_t {
    count_listeners,  // how many listen for drains; the last to answer decides
    drain,
    cancel,
    dump,    // print the task tree
    guests,  // tell of children that others have there
    end,     // all programs have ended: nobody will send anything any more
};
inline constexpr std::size_t shard_orders = 6;

struct shard_note : inbox_message {
    shard_state* to = nullptr;
    shard_order order = shard_order::end;
    std::atomic<bool> posted = false;
};

/// One shard, as the others see it. What is not atomic is written before the first task runs.
struct shard_state {
    shard_set* set = nullptr;
    std::uint32_t index = 0;
    loop* owner = nullptr;
    shard_run* run = nullptr;
    nursery* root = nullptr;    // its program and daemons; for its own thread
    nursery* guests = nullptr;  // children of nurseries on other shards; for its own thread
    std::string guest_name;     // of a child that this shard has on another: "of shard 0"
    alignas(64) std::atomic<std::uint64_t> load{0};  // see shard::load()
    std::array<shard_note, shard_orders> notes;
    instant guests_told = instant_never;  // when last; for its own thread
    bool failure_told = false;
    bool closed = false;  // its program and daemons have ended
};

/// What the shards of one run_sharded share: who they are, how they stop, and when they end.
///
/// A shard whose program has ended is closed, and its loop goes on all the same: it serves the
/// children that others have there, and takes their messages. A message or a child on another shard
/// always has a task that waits for it on a shard that is not closed; so once all are closed,
/// nothing is on its way, and only then do the loops end. That is why no message ever meets a loop
/// that is gone.
///
/// Threads: any, where not said otherwise. Lifetime: outlives the loops.
class shard_set {
public:
    explicit shard_set(std::uint32_t count, std::chrono::nanoseconds drain_grace);
    shard_set(const shard_set&) = delete;
    shard_set& operator=(const shard_set&) = delete;

    [[nodiscard]] std::uint32_t size() const noexcept { return count_; }
    [[nodiscard]] shard_state& at(std::uint32_t index) noexcept { return states_[index]; }
    [[nodiscard]] std::span<const shard> handles() const noexcept { return handles_; }

    /// The first failure cancels all shards; later ones stay with theirs. By the failed shard.
    void fail(shard_state& where, const std::exception_ptr& error) noexcept;
    /// A stop signal, by the shard that listens for them.
    void stop(int signal) noexcept;
    /// Every shard prints its task tree.
    void dump() noexcept { tell_all(shard_order::dump); }
    /// Something does not end on the calling shard, and what holds it up may be elsewhere: every
    /// shard that has guests says what they wait for, at most once a second.
    void tell_of_guests() noexcept { tell_all(shard_order::guests); }
    /// The shard's program and daemons have ended. The last one lets all loops end.
    void close(shard_state& where) noexcept;

    // After the end.
    [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }
    [[nodiscard]] int failed_shard() const noexcept { return failed_shard_; }
    [[nodiscard]] int stopped_by() const noexcept { return stopped_by_; }
    [[nodiscard]] int cancelled_by() const noexcept { return cancelled_by_; }

private:
    static void obey(inbox_message& message) noexcept;
    static void print_guests(shard_state& of) noexcept;
    void cancel_all(const std::string& reason) noexcept;
    void tell_all(shard_order order) noexcept;
    void answer_listeners(std::uint64_t count) noexcept;
    [[noreturn]] void abort_with_dump(int signal) noexcept;

    const std::uint32_t count_;
    const std::chrono::nanoseconds drain_grace_;
    std::unique_ptr<shard_state[]> states_;
    std::vector<shard> handles_;
    std::atomic<std::uint64_t> listeners_{0};
    std::atomic<std::uint32_t> answers_left_{0};
    std::atomic<std::uint32_t> dumps_{0};

    std::mutex lock_;  // held while messages are put into inboxes, never while anybody waits
    std::uint32_t open_;
    bool ended_ = false;
    std::string reason_;  // why all are cancelled; written once, before the messages that say so
    std::exception_ptr error_;
    int failed_shard_ = -1;

    // Of the shard that listens for signals.
    std::uint32_t stops_ = 0;
    int stopped_by_ = 0;
    int cancelled_by_ = 0;
};

}  // namespace rf::detail
