// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/clock.hpp>

#include <cstddef>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace resp {

using time_point = rf::clock::time_point;

/// Keys and values, some with a time after which they are gone.
///
/// An expired key is invisible at once, and its memory is freed by the next access or by sweep().
/// Threads: one loop. Cost: one hash lookup per call; a key or a value that fits the memory of its
///   predecessor allocates nothing.
class store {
public:
    /// The value, or nothing. Valid until the next change.
    [[nodiscard]] const std::string* find(std::string_view key);

    enum class stored { yes, full };
    /// Sets a value, and when it expires: never, without `expires`.
    [[nodiscard]] stored set(std::string_view key, std::string_view value,
                             std::optional<time_point> expires);
    /// Sets a value and leaves its expiry as it is.
    [[nodiscard]] stored change(std::string_view key, std::string_view value);

    /// Whether there was such a key.
    bool erase(std::string_view key);
    bool expire_at(std::string_view key, time_point when);

    struct lifetime {
        bool exists = false;
        std::optional<time_point> expires;
    };
    [[nodiscard]] lifetime lifetime_of(std::string_view key);

    /// Frees at most `count_max` keys that have expired.
    void sweep(std::size_t count_max);

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

private:
    struct entry {
        std::string value;
        std::optional<time_point> expires;
    };
    struct hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view key) const noexcept {
            return std::hash<std::string_view>{}(key);
        }
    };
    using table = std::unordered_map<std::string, entry, hash, std::equal_to<>>;
    struct expiry {
        time_point when;
        std::string key;
        bool operator>(const expiry& other) const noexcept { return when > other.when; }
    };

    [[nodiscard]] table::iterator lookup(std::string_view key);
    [[nodiscard]] stored put(table::iterator found, std::string_view key, std::string_view value);
    void set_expiry(table::iterator of, std::optional<time_point> when);
    void remove(table::iterator which);
    void forget_stale_expiries();

    table entries_;
    std::size_t bytes_ = 0;     // of keys and values
    std::size_t expiring_ = 0;  // entries with an expiry
    // Soonest first. A key whose expiry changed has older notes too, which sweep() passes over.
    std::priority_queue<expiry, std::vector<expiry>, std::greater<>> expiries_;
};

}  // namespace resp
