// SPDX-License-Identifier: MIT
#include "limits.hpp"
#include "store.hpp"

#include <functional>
#include <utility>

namespace resp {

store::table::iterator store::lookup(std::string_view key) {
    const auto found = entries_.find(key);
    if (found == entries_.end() || !found->second.expires) return found;
    if (*found->second.expires > rf::clock::now()) return found;
    remove(found);
    return entries_.end();
}

const std::string* store::find(std::string_view key) {
    const auto found = lookup(key);
    return found == entries_.end() ? nullptr : &found->second.value;
}

store::stored store::put(table::iterator found, std::string_view key, std::string_view value) {
    const bool is_new = found == entries_.end();
    const std::size_t before = is_new ? 0 : key.size() + found->second.value.size();
    const std::size_t after = bytes_ - before + key.size() + value.size();
    if (after > limits::store_bytes) return stored::full;
    if (is_new)
        entries_.emplace(key, entry{std::string(value), std::nullopt});
    else
        found->second.value.assign(value);
    bytes_ = after;
    return stored::yes;
}

store::stored store::set(std::string_view key, std::string_view value,
                         std::optional<time_point> expires) {
    auto found = entries_.find(key);
    if (put(found, key, value) == stored::full) return stored::full;
    if (found == entries_.end()) {
        if (!expires) return stored::yes;
        found = entries_.find(key);
    }
    set_expiry(found, expires);
    return stored::yes;
}

store::stored store::change(std::string_view key, std::string_view value) {
    return put(lookup(key), key, value);
}

bool store::erase(std::string_view key) {
    const auto found = lookup(key);
    if (found == entries_.end()) return false;
    remove(found);
    return true;
}

bool store::expire_at(std::string_view key, time_point when) {
    const auto found = lookup(key);
    if (found == entries_.end()) return false;
    set_expiry(found, when);
    return true;
}

store::lifetime store::lifetime_of(std::string_view key) {
    const auto found = lookup(key);
    if (found == entries_.end()) return {};
    return {true, found->second.expires};
}

void store::set_expiry(table::iterator of, std::optional<time_point> when) {
    expiring_ += static_cast<std::size_t>(when.has_value());
    expiring_ -= static_cast<std::size_t>(of->second.expires.has_value());
    of->second.expires = when;
    if (!when) return;
    expiries_.push({*when, of->first});
    forget_stale_expiries();
}

void store::remove(table::iterator which) {
    bytes_ -= which->first.size() + which->second.value.size();
    expiring_ -= static_cast<std::size_t>(which->second.expires.has_value());
    entries_.erase(which);
}

void store::sweep(std::size_t count_max) {
    const time_point now = rf::clock::now();
    for (std::size_t i = 0; i < count_max && !expiries_.empty(); ++i) {
        if (expiries_.top().when > now) return;
        const auto found = entries_.find(expiries_.top().key);
        if (found != entries_.end() && found->second.expires && *found->second.expires <= now)
            remove(found);
        expiries_.pop();
    }
}

// A client that renews one expiry for ever must not fill the memory with notes.
void store::forget_stale_expiries() {
    constexpr std::size_t slack = 1024;
    if (expiries_.size() <= 2 * expiring_ + slack) return;
    std::vector<expiry> current;
    current.reserve(expiring_);
    for (const auto& [key, value] : entries_)
        if (value.expires) current.push_back({*value.expires, key});
    expiries_ = decltype(expiries_)(std::greater<>(), std::move(current));
}

}  // namespace resp
