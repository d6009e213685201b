// SPDX-License-Identifier: MIT
#include "commands.hpp"
#include "limits.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <limits>

namespace resp {
namespace {

using words_view = std::span<const std::string_view>;

constexpr std::int64_t seconds_max = std::int64_t{100} * 365 * 24 * 3600;

void append_number(std::string& reply, char mark, std::int64_t value) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    reply += mark;
    reply.append(digits, end);
    reply += "\r\n";
}
void append_integer(std::string& reply, std::int64_t value) { append_number(reply, ':', value); }

void append_bulk(std::string& reply, std::string_view text) {
    append_number(reply, '$', static_cast<std::int64_t>(text.size()));
    reply += text;
    reply += "\r\n";
}

bool read_integer(std::string_view text, std::int64_t& value) {
    const char* last = text.data() + text.size();
    const auto [end, bad] = std::from_chars(text.data(), last, value);
    return bad == std::errc{} && end == last;
}

bool is_word(std::string_view text, std::string_view lower) {
    return std::ranges::equal(text, lower, [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
    });
}

void append_stored(std::string& reply, store::stored end) {
    if (end == store::stored::yes)
        reply += "+OK\r\n";
    else
        reply += "-OOM the store is full: it holds at most 1 GiB of keys and values\r\n";
}

bool key_fits(std::string_view key, std::string& reply) {
    if (key.size() <= limits::key_bytes) return true;
    append_error(reply, "a key may hold at most 64 KiB");
    return false;
}

void ping(store&, words_view words, std::string& reply) {
    if (words.size() == 1)
        reply += "+PONG\r\n";
    else
        append_bulk(reply, words[1]);
}

void echo(store&, words_view words, std::string& reply) { append_bulk(reply, words[1]); }

void get(store& data, words_view words, std::string& reply) {
    if (const std::string* value = data.find(words[1]))
        append_bulk(reply, *value);
    else
        reply += "$-1\r\n";
}

// SET key value [EX seconds | PX milliseconds]
void set(store& data, words_view words, std::string& reply) {
    if (!key_fits(words[1], reply)) return;
    if (words.size() == 3) {
        append_stored(reply, data.set(words[1], words[2], std::nullopt));
        return;
    }
    const bool in_seconds = is_word(words[3], "ex");
    if (words.size() != 5 || (!in_seconds && !is_word(words[3], "px")))
        return append_error(reply, "syntax error");
    std::int64_t amount = 0;
    if (!read_integer(words[4], amount))
        return append_error(reply, "value is not an integer or out of range");
    if (amount <= 0 || amount > (in_seconds ? seconds_max : seconds_max * 1000))
        return append_error(reply, "invalid expire time in 'set' command");
    const std::chrono::milliseconds life(in_seconds ? amount * 1000 : amount);
    append_stored(reply, data.set(words[1], words[2], rf::clock::now() + life));
}

void del(store& data, words_view words, std::string& reply) {
    std::int64_t count = 0;
    for (const std::string_view key : words.subspan(1))
        count += data.erase(key) ? 1 : 0;
    append_integer(reply, count);
}

void expire(store& data, words_view words, std::string& reply) {
    std::int64_t seconds = 0;
    if (!read_integer(words[2], seconds))
        return append_error(reply, "value is not an integer or out of range");
    if (seconds > seconds_max || seconds < -seconds_max)
        return append_error(reply, "invalid expire time in 'expire' command");
    const bool known =
        seconds <= 0 ? data.erase(words[1])
                     : data.expire_at(words[1], rf::clock::now() + std::chrono::seconds(seconds));
    append_integer(reply, known ? 1 : 0);
}

// Seconds, rounded; -1 without an expiry, -2 without the key.
void ttl(store& data, words_view words, std::string& reply) {
    const store::lifetime life = data.lifetime_of(words[1]);
    if (!life.exists) return append_integer(reply, -2);
    if (!life.expires) return append_integer(reply, -1);
    append_integer(
        reply, std::chrono::round<std::chrono::seconds>(*life.expires - rf::clock::now()).count());
}

void incr(store& data, words_view words, std::string& reply) {
    if (!key_fits(words[1], reply)) return;
    std::int64_t value = 0;
    const std::string* old = data.find(words[1]);
    if (old != nullptr && !read_integer(*old, value))
        return append_error(reply, "value is not an integer or out of range");
    if (value == std::numeric_limits<std::int64_t>::max())
        return append_error(reply, "increment or decrement would overflow");
    ++value;
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    if (data.change(words[1], {digits, end}) == store::stored::full)
        append_stored(reply, store::stored::full);
    else
        append_integer(reply, value);
}

void dbsize(store& data, words_view, std::string& reply) {
    append_integer(reply, static_cast<std::int64_t>(data.size()));
}

// What redis-cli and redis-benchmark ask for before they begin.
void command(store&, words_view, std::string& reply) { reply += "*0\r\n"; }

void config(store&, words_view words, std::string& reply) {
    if (!is_word(words[1], "get") || words.size() != 3)
        return append_error(reply, "only CONFIG GET is known, and all it gives is empty");
    reply += "*2\r\n";
    append_bulk(reply, words[2]);
    append_bulk(reply, "");
}

void quit(store&, words_view, std::string& reply) { reply += "+OK\r\n"; }

struct command_entry {
    std::string_view name;
    std::size_t words_min;
    std::size_t words_max;
    void (*run)(store&, words_view, std::string&);
};

// The frequent ones first.
constexpr command_entry commands[] = {
    {"get", 2, 2, get},
    {"set", 3, 5, set},
    {"ping", 1, 2, ping},
    {"incr", 2, 2, incr},
    {"del", 2, limits::arguments, del},
    {"expire", 3, 3, expire},
    {"ttl", 2, 2, ttl},
    {"echo", 2, 2, echo},
    {"dbsize", 1, 1, dbsize},
    {"command", 1, limits::arguments, command},
    {"config", 2, limits::arguments, config},
    {"quit", 1, 1, quit},
};

}  // namespace

void append_error(std::string& reply, std::string_view complaint) {
    reply += "-ERR ";
    reply += complaint;
    reply += "\r\n";
}

after_reply answer(store& data, std::span<const std::string_view> words, std::string& reply) {
    if (words.empty()) return after_reply::go_on;
    const auto* found = std::ranges::find_if(commands, [&](const command_entry& each) {
        return each.name.size() == words[0].size() && is_word(words[0], each.name);
    });
    if (found == std::end(commands)) {
        std::string name(words[0].substr(0, 64));
        std::ranges::replace_if(name, [](char c) { return c < ' ' || c > '~'; }, '?');
        append_error(reply, "unknown command '" + name + "'");
        return after_reply::go_on;
    }
    if (words.size() < found->words_min || words.size() > found->words_max) {
        append_error(reply,
                     "wrong number of arguments for '" + std::string(found->name) + "' command");
        return after_reply::go_on;
    }
    found->run(data, words, reply);
    return found->run == quit ? after_reply::close : after_reply::go_on;
}

}  // namespace resp
