// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/sync/rate_limiter.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <unordered_map>

namespace rf::sync {

struct keyed_rate_limiter_statistics {
    std::size_t keys = 0;         // that are remembered now
    std::size_t waiting = 0;      // tasks, at all of them
    std::uint64_t granted = 0;    // acquisitions and reservations, so far
    std::uint64_t refused = 0;    // for want of a token now, or before the deadline
    std::uint64_t forgotten = 0;  // keys whose bucket was full again: nobody can tell
    std::uint64_t evicted = 0;    // keys forgotten before that, for want of room
};

/// As many keys as are remembered are in use, and another came. As an io_error it has the code
/// EBUSY; about() names the limiter.
class key_limit_reached : public io_error {
public:
    explicit key_limit_reached(std::string which);
};

/// A rate_limiter for each key, as for each client of a server, in bounded memory.
///
///     rf::sync::keyed_rate_limiter<std::string> limits({.tokens = 10, .burst = 5}, 100'000);
///     co_await limits.acquire(peer_address);
///
/// A key that is not remembered has a full bucket; so one whose bucket is full again is forgotten
/// as others come. At most `keys_max` are remembered: beyond, the key used longest ago is evicted,
/// and gets more than its rate if it comes back before its bucket would have been full. Make
/// `keys_max` larger than the number of keys that are used within `burst / tokens * per`;
/// statistics().evicted tells whether it is. A key with tasks waiting is never evicted.
///
/// Order, deadlines, cancellation and select: for each key as with rate_limiter.
/// Errors: a rate or count as rate_limiter refuses them, and a `keys_max` of 0 or below, throw
///   std::invalid_argument; key_limit_reached when there is no room as tasks wait at every key.
/// Lifetime: outlives its waiters, or aborts. Threads: one loop.
/// Cost: one allocation for a new key; one timer for each key with tasks that wait.
template <class Key, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>>
class keyed_rate_limiter {
public:
    keyed_rate_limiter(rate limit, std::size_t keys_max,
                       std::source_location made = std::source_location::current());
    keyed_rate_limiter(const keyed_rate_limiter&) = delete;
    keyed_rate_limiter& operator=(const keyed_rate_limiter&) = delete;

    /// Waits for `count` tokens of `key` and takes them.
    [[nodiscard]] rate_limiter::acquire_awaiter acquire(const Key& key, std::int64_t count = 1) {
        return bucket_of(key).acquire(count);
    }
    /// Takes them if they are there now and nobody waits for tokens of that key.
    [[nodiscard]] bool try_acquire(const Key& key, std::int64_t count = 1) {
        return bucket_of(key).try_acquire(count);
    }
    /// Takes them now, of what is to come if need be, and says when they will be there. For good:
    /// they cannot be given back.
    [[nodiscard]] clock::time_point reserve(const Key& key, std::int64_t count = 1) {
        return bucket_of(key).reserve(count).when();
    }

    [[nodiscard]] keyed_rate_limiter_statistics statistics() const noexcept;

private:
    struct entry : rf::detail::list_hook {
        entry(rate limit, const detail::identity& which) : bucket(limit, which) {}
        rate_limiter bucket;
        const Key* key = nullptr;  // in the map
    };

    [[nodiscard]] rate_limiter& bucket_of(const Key& key);
    /// Forgets some whose buckets are full, and makes room for one more.
    void make_room();
    void forget(entry& gone) noexcept;

    detail::identity identity_;
    rate limit_;
    std::size_t keys_max_;
    std::unordered_map<Key, entry, Hash, Equal> entries_;
    rf::detail::intrusive_list<entry, rf::detail::list_hook> by_use_;  // longest ago first
    keyed_rate_limiter_statistics seen_;                               // of keys that are gone
};

// Implementation

namespace detail {

[[nodiscard]] std::size_t checked_keys(std::size_t keys_max, const identity& which);
[[noreturn]] void refuse_key(const identity& which, std::size_t keys_max);

}  // namespace detail

template <class Key, class Hash, class Equal>
keyed_rate_limiter<Key, Hash, Equal>::keyed_rate_limiter(rate limit, std::size_t keys_max,
                                                         std::source_location made)
    : identity_{"keyed_rate_limiter", made}, limit_(limit),
      keys_max_(detail::checked_keys(keys_max, identity_)) {
    [[maybe_unused]] const rate_limiter checks_the_rate(limit, identity_);
}

template <class Key, class Hash, class Equal>
rate_limiter& keyed_rate_limiter<Key, Hash, Equal>::bucket_of(const Key& key) {
    auto found = entries_.find(key);
    if (found == entries_.end()) {
        make_room();
        found = entries_.try_emplace(key, limit_, identity_).first;
        found->second.key = &found->first;
    } else {
        found->second.unlink();
    }
    by_use_.push_back(found->second);
    return found->second.bucket;
}

template <class Key, class Hash, class Equal>
void keyed_rate_limiter<Key, Hash, Equal>::make_room() {
    // Two for each that comes, so that what is remembered follows what is used.
    for (int i = 0; i < 2 && !by_use_.empty(); ++i) {
        entry& oldest = by_use_.front();
        if (oldest.bucket.in_use() || !oldest.bucket.is_full()) break;
        ++seen_.forgotten;
        forget(oldest);
    }
    for (std::size_t left = entries_.size(); entries_.size() >= keys_max_; --left) {
        if (left == 0) detail::refuse_key(identity_, keys_max_);
        entry& oldest = by_use_.front();
        if (oldest.bucket.in_use()) {
            oldest.unlink();
            by_use_.push_back(oldest);
            continue;
        }
        ++(oldest.bucket.is_full() ? seen_.forgotten : seen_.evicted);
        forget(oldest);
    }
}

template <class Key, class Hash, class Equal>
void keyed_rate_limiter<Key, Hash, Equal>::forget(entry& gone) noexcept {
    const rate_limiter_statistics counts = gone.bucket.statistics();
    seen_.granted += counts.granted;
    seen_.refused += counts.refused;
    gone.unlink();
    entries_.erase(entries_.find(*gone.key));
}

template <class Key, class Hash, class Equal>
keyed_rate_limiter_statistics keyed_rate_limiter<Key, Hash, Equal>::statistics() const noexcept {
    keyed_rate_limiter_statistics now = seen_;
    now.keys = entries_.size();
    for (const auto& [key, one] : entries_) {
        const rate_limiter_statistics counts = one.bucket.statistics();
        now.waiting += counts.waiting;
        now.granted += counts.granted;
        now.refused += counts.refused;
    }
    return now;
}

}  // namespace rf::sync
