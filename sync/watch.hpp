// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/sync/detail/channel_waits.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <source_location>
#include <utility>

namespace rf::sync {

template <class T>
class watch_reader;

struct watch_statistics {
    std::size_t waiting = 0;    // tasks that wait for a change
    std::size_t readers = 0;    // that exist
    std::uint64_t changes = 0;  // calls of set() and update() so far
};

/// Holds a value, and lets tasks wait until it is another: a configuration, a state, a position.
///
///     rf::sync::watch<config> current(load());
///     auto mine = current.reader();                         // in each task that follows it
///     while (auto now = co_await mine.next()) apply(*now);  // the value it has, then each new one
///     current.set(load());                                  // in another task
///
/// A reader sees the latest value, and may never see those between. Where each one counts, there is
/// broadcast.
///
/// Order: a change makes all who wait ready, oldest first; they see what it is when they run.
/// Closing: close() lets readers see the last value, then next() gives nothing and changed() false.
///   set() then throws channel_closed.
/// Cancellation: next() and changed() are cancel points, even if there is something new. Cancelled,
///   the reader has seen nothing. One that was woken and is cancelled before it runs sees it. Both
///   can be cases of select.
/// Lifetime: outlives its readers, or aborts. Threads: one loop.
/// Cost: never allocates; set() is linear in those who wait.
template <class T>
class watch {
public:
    using value_type = T;

    explicit watch(T value = T(), std::source_location made = std::source_location::current())
        : identity_{"watch", made}, value_(std::move(value)) {}
    watch(const watch&) = delete;
    watch& operator=(const watch&) = delete;
    ~watch() {
        waiters_.require_empty(identity_);
        if (readers_ != 0)
            detail::misused(identity_,
                            "it was destroyed while it has readers; it has to outlive them");
    }

    /// The value is this from now on. Counts as a change even if it is equal.
    void set(T value) {
        require_open();
        value_ = std::move(value);
        changed();
    }
    /// Changes the value in place: `change(T&)`. If that throws, there was no change to tell of.
    template <std::invocable<T&> F>
    void update(F&& change) {
        require_open();
        std::invoke(std::forward<F>(change), value_);
        changed();
    }

    /// The value it has now. The reference stays; what it refers to changes with set().
    [[nodiscard]] const T& value() const noexcept { return value_; }

    /// A reader that has seen nothing yet: its first next() gives the value there is.
    [[nodiscard]] watch_reader<T> reader() noexcept { return watch_reader<T>(*this); }

    /// No more changes. Closing twice does nothing; the answer is whether this call closed it.
    bool close() noexcept {
        if (closed_) return false;
        closed_ = true;
        wake();
        return true;
    }
    [[nodiscard]] bool is_closed() const noexcept { return closed_; }
    [[nodiscard]] watch_statistics statistics() const noexcept {
        return {waiters_.count(), readers_, version_ - 1};
    }

private:
    template <class U>
    friend class watch_reader;

    void require_open() const {
        if (closed_) [[unlikely]]
            detail::refuse_closed(identity_);
    }
    void changed() noexcept {
        ++version_;
        wake();
    }
    void wake() noexcept {
        while (!waiters_.empty())
            waiters_.pop(identity_).grant();
    }

    detail::identity identity_;
    detail::wait_queue waiters_;
    T value_;
    std::uint64_t version_ = 1;  // of the value; readers begin at 0
    std::size_t readers_ = 0;
    bool closed_ = false;
};

/// What one task has seen of a watch; see there. A copy has seen the same. Outlives the waits made
/// through it.
template <class T>
class [[nodiscard]] watch_reader {
    template <bool Copy>
    class [[nodiscard]] awaiter;

public:
    using value_type = T;

    watch_reader(const watch_reader& other) noexcept : watch_(other.watch_), seen_(other.seen_) {
        ++watch_->readers_;
    }
    watch_reader& operator=(const watch_reader& other) noexcept {
        ++other.watch_->readers_;
        --watch_->readers_;
        watch_ = other.watch_;
        seen_ = other.seen_;
        return *this;
    }
    ~watch_reader() { --watch_->readers_; }

    /// Waits until the value is not the one seen last, and gives a copy of it; nothing once the
    /// watch is closed and the last value was seen.
    [[nodiscard]] awaiter<true> next() noexcept
        requires std::copy_constructible<T>
    {
        return awaiter<true>(*this);
    }
    /// The same without the copy: whether there is a value not seen before, which now counts as
    /// seen. False once the watch is closed.
    [[nodiscard]] awaiter<false> changed() noexcept { return awaiter<false>(*this); }

    /// The value there is now; counts as seen.
    [[nodiscard]] const T& value() noexcept {
        seen_ = watch_->version_;
        return watch_->value_;
    }
    [[nodiscard]] bool has_changed() const noexcept { return seen_ != watch_->version_; }

private:
    friend class watch<T>;
    explicit watch_reader(watch<T>& of) noexcept : watch_(&of) { ++of.readers_; }

    watch<T>* watch_;
    std::uint64_t seen_ = 0;
};

// Implementation

template <class T>
template <bool Copy>
class watch_reader<T>::awaiter final : public detail::tried_wait<awaiter<Copy>> {
public:
    explicit awaiter(watch_reader& by) noexcept : reader_(&by) {}

    [[nodiscard]] bool try_now() const noexcept {
        return reader_->has_changed() || reader_->watch_->closed_;
    }
    void start() noexcept { reader_->watch_->waiters_.add(*this, reader_->watch_->identity_); }
    [[nodiscard]] auto await_resume() {
        // What woke it may have been seen meanwhile through the same reader; it is told of it
        // still.
        const bool fresh = reader_->has_changed() || !reader_->watch_->closed_;
        if constexpr (Copy) {
            std::optional<T> now;
            if (fresh) now.emplace(reader_->watch_->value());  // may throw: then it was not seen
            reader_->seen_ = reader_->watch_->version_;
            return now;
        } else {
            reader_->seen_ = reader_->watch_->version_;
            return fresh;
        }
    }
    void describe(wait_description& out) const override {
        reader_->watch_->identity_.describe(out, "watch", "change");
        out.object = reader_->watch_;
    }

private:
    watch_reader* reader_;
};

}  // namespace rf::sync
