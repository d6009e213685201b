// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/runtime/detail/object_timer.hpp>
#include <ringfence/runtime/task.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>
#include <ringfence/sync/single_flight.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <type_traits>
#include <unordered_map>
#include <utility>

namespace rf::sync {

struct ttl_cache_options {
    std::chrono::nanoseconds ttl{};  // how long an entry lives after it was put
    std::size_t size_max = 0;        // entries; the one used longest ago makes room
};

struct ttl_cache_statistics {
    std::size_t entries = 0;
    std::size_t loading = 0;      // loads under way
    std::size_t waiting = 0;      // tasks that wait for somebody else's load
    std::uint64_t hits = 0;       // lookups that found a living entry
    std::uint64_t misses = 0;     // and that did not
    std::uint64_t loads = 0;      // loaders called
    std::uint64_t shared = 0;     // misses answered by a load of somebody else
    std::uint64_t takeovers = 0;  // loads begun anew because their caller was cancelled
    std::uint64_t evictions = 0;  // entries that made room
    std::uint64_t expired = 0;    // entries that died of age
};

namespace detail {

void check_ttl_cache(const ttl_cache_options& options, const identity& which);

}  // namespace detail

/// Keeps values for a limited time, and loads each missing one once however many tasks ask.
///
///     rf::sync::ttl_cache<std::string, address> names({.ttl = 60s, .size_max = 10'000});
///     auto where = co_await names.get(host, [&](const std::string& h) { return resolve(h); });
///
/// Age: an entry dies `ttl` after it was put, used or not; put again, it lives anew. Its value is
///   destroyed then, not when somebody next looks. The whole cache has at most one timer.
/// Room: with `size_max` entries, a new one evicts the one that was used longest ago.
/// Loading: tasks that ask for a key while it is being loaded wait for that load, and get a copy or
///   its exception, which is not kept. If the task that loads is cancelled, the oldest of those who
///   wait loads in its place, with its own loader. What is put, erased or cleared while a load is
///   under way wins: the loaded value goes to those who asked before, and is not kept.
/// Cancellation: get() is a cancel point where it loads or waits; a cancelled one leaves nothing.
/// Lifetime: outlives calls of get(), or aborts; dies before its loop. Threads: one loop.
/// Requires: for get(), Key and Value can be copied; a std::shared_ptr<const T> makes that cheap.
/// Cost: one allocation an entry, none to find one; constant time.
template <class Key, class Value, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>>
class ttl_cache {
public:
    /// A ttl of zero or less, and a size_max of zero, throw std::invalid_argument.
    explicit ttl_cache(ttl_cache_options options,
                       std::source_location made = std::source_location::current());
    ttl_cache(const ttl_cache&) = delete;
    ttl_cache& operator=(const ttl_cache&) = delete;
    ~ttl_cache() { clear(); }

    /// The value, if it is there and alive; valid until the next wait or change of the cache.
    [[nodiscard]] Value* find(const Key& key);
    /// Keeps `value` for the time to live, in the place of an older one.
    Value& put(Key key, Value value);
    /// Whether there was an entry.
    bool erase(const Key& key);
    void clear() noexcept;

    /// The value, from the cache or from `load(const Key&)`, a function that returns task<Value>.
    template <class Load>
        requires std::same_as<std::invoke_result_t<Load&, const Key&>, task<Value>>
    [[nodiscard]] task<Value> get(Key key, Load load);

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    [[nodiscard]] ttl_cache_statistics statistics() const noexcept;

private:
    struct by_age : rf::detail::list_hook {};
    struct by_use : rf::detail::list_hook {};
    struct entry;
    using map = std::unordered_map<Key, entry, Hash, Equal>;
    struct entry : by_age, by_use {
        explicit entry(Value&& given) : value(std::move(given)) {}
        Value value;
        instant dies = 0;
        const Key* key = nullptr;
    };
    Value& keep(Key&& key, Value&& value);
    void drop(typename map::iterator which) noexcept;
    void expire() noexcept;
    void rearm() noexcept;

    struct age_timer : rf::detail::object_timer {
        age_timer() noexcept : object_timer("clock of a ttl_cache") {}
        ttl_cache* owner = nullptr;
    };

    detail::identity identity_;
    const instant ttl_;
    const std::size_t size_max_;
    map entries_;
    single_flight<Key, Value, Hash, Equal> loads_;
    rf::detail::intrusive_list<entry, by_age> ages_;  // all entries, the first to die in front
    rf::detail::intrusive_list<entry, by_use> uses_;  // all entries, the longest unused in front
    age_timer timer_;  // armed while there are entries, not after the first to die
    ttl_cache_statistics seen_;
};

// Implementation

template <class Key, class Value, class Hash, class Equal>
ttl_cache<Key, Value, Hash, Equal>::ttl_cache(ttl_cache_options options, std::source_location made)
    : identity_{"ttl_cache", made}, ttl_(options.ttl.count()), size_max_(options.size_max),
      loads_(identity_) {
    detail::check_ttl_cache(options, identity_);
    timer_.owner = this;
    timer_.on_fire = [](timer& fired) noexcept { static_cast<age_timer&>(fired).owner->expire(); };
}

template <class Key, class Value, class Hash, class Equal>
Value* ttl_cache<Key, Value, Hash, Equal>::find(const Key& key) {
    const auto found = entries_.find(key);
    // The timer fires in the loop's turn, perhaps late; the clock decides.
    if (found == entries_.end() || found->second.dies <= loop::here().now()) {
        ++seen_.misses;
        return nullptr;
    }
    ++seen_.hits;
    entry& one = found->second;
    static_cast<by_use&>(one).unlink();
    uses_.push_back(one);
    return &one.value;
}

template <class Key, class Value, class Hash, class Equal>
Value& ttl_cache<Key, Value, Hash, Equal>::put(Key key, Value value) {
    loads_.forget(key);
    return keep(std::move(key), std::move(value));
}

template <class Key, class Value, class Hash, class Equal>
Value& ttl_cache<Key, Value, Hash, Equal>::keep(Key&& key, Value&& value) {
    const instant dies = rf::detail::after(ttl_);
    auto [place, fresh] = entries_.try_emplace(std::move(key), std::move(value));
    entry& one = place->second;
    if (fresh) {
        one.key = &place->first;
    } else {
        one.value = std::move(value);  // try_emplace has left it alone
        static_cast<by_age&>(one).unlink();
        static_cast<by_use&>(one).unlink();
    }
    one.dies = dies;
    ages_.push_back(one);
    uses_.push_back(one);
    if (entries_.size() > size_max_) {
        ++seen_.evictions;
        drop(entries_.find(*uses_.front().key));
    }
    if (!timer_.armed()) rearm();
    return one.value;
}

template <class Key, class Value, class Hash, class Equal>
bool ttl_cache<Key, Value, Hash, Equal>::erase(const Key& key) {
    loads_.forget(key);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return false;
    drop(found);
    if (entries_.empty()) rearm();
    return true;
}

template <class Key, class Value, class Hash, class Equal>
void ttl_cache<Key, Value, Hash, Equal>::clear() noexcept {
    loads_.forget_all();
    while (!entries_.empty())
        drop(entries_.begin());
    rearm();
}

template <class Key, class Value, class Hash, class Equal>
template <class Load>
    requires std::same_as<std::invoke_result_t<Load&, const Key&>, task<Value>>
task<Value> ttl_cache<Key, Value, Hash, Equal>::get(Key key, Load load) {
    if (Value* kept = find(key); kept != nullptr) co_return *kept;
    using flight = typename single_flight<Key, Value, Hash, Equal>::flight;
    auto fill = [&](const flight& under_way) -> task<Value> {
        Value loaded = co_await std::invoke(load, std::as_const(key));
        // Kept as a copy: those who wait are given theirs from the load, whatever dies meanwhile.
        if (!under_way.forgotten()) (void)keep(Key(key), Value(loaded));
        co_return loaded;
    };
    co_return co_await loads_.run(key, std::ref(fill));
}

template <class Key, class Value, class Hash, class Equal>
ttl_cache_statistics ttl_cache<Key, Value, Hash, Equal>::statistics() const noexcept {
    ttl_cache_statistics now = seen_;
    now.entries = entries_.size();
    const single_flight_statistics loads = loads_.statistics();
    now.loading = loads.flights;
    now.waiting = loads.waiting;
    now.loads = loads.executed;
    now.shared = loads.shared;
    now.takeovers = loads.taken_over;
    return now;
}

template <class Key, class Value, class Hash, class Equal>
void ttl_cache<Key, Value, Hash, Equal>::drop(typename map::iterator which) noexcept {
    static_cast<by_age&>(which->second).unlink();
    static_cast<by_use&>(which->second).unlink();
    // Out of the map before it is destroyed: its destructor may look at the cache.
    const auto gone = entries_.extract(which);
}

template <class Key, class Value, class Hash, class Equal>
void ttl_cache<Key, Value, Hash, Equal>::expire() noexcept {
    const instant now = loop::here().now();
    while (!ages_.empty() && ages_.front().dies <= now) {
        ++seen_.expired;
        drop(entries_.find(*ages_.front().key));
    }
    rearm();
}

// The timer of an entry that was rewritten or erased is left where it is, and moved on when it
// fires: a rewrite costs no timer.
template <class Key, class Value, class Hash, class Equal>
void ttl_cache<Key, Value, Hash, Equal>::rearm() noexcept {
    if (timer_.armed()) {
        if (!ages_.empty()) return;
        loop::here().timers().cancel(timer_);
    }
    if (!ages_.empty() && ages_.front().dies != instant_never) timer_.arm(ages_.front().dies);
}

}  // namespace rf::sync
