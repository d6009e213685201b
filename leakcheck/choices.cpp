// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/choices.hpp>

#include <ringfence/runtime/assert.hpp>

#include <algorithm>
#include <array>

// A token is 's' and the seed in hexadecimal, or 't' and the answers, each in base 31 with the last
// digit as it is and the ones before it after a '~'. Zeros at the end are left out, and a run of
// zeros is '.' and its length as one such number: dull answers are most of a script.

namespace rf::leakcheck {
namespace {

constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstu";
constexpr std::uint32_t base = 31;
static_assert(digits.size() == base);

void append_number(std::string& text, std::uint32_t number) {
    if (number >= base) {
        text += '~';
        append_number(text, number / base);
    }
    text += digits[number % base];
}

/// Takes a number off the front of `text`. False if there is none.
bool take_number(std::string_view& text, std::uint32_t& number) {
    std::uint32_t higher = 0;
    if (!text.empty() && text.front() == '~') {
        text.remove_prefix(1);
        if (!take_number(text, higher) || higher > 0xffff'ffffU / base - 1) return false;
    }
    if (text.empty()) return false;
    const auto digit = digits.find(text.front());
    if (digit == std::string_view::npos) return false;
    text.remove_prefix(1);
    number = higher * base + static_cast<std::uint32_t>(digit);
    return true;
}

bool read_script(std::string_view text, std::vector<std::uint32_t>& script) {
    while (!text.empty()) {
        const bool zeros = text.front() == '.';
        if (zeros) text.remove_prefix(1);
        std::uint32_t number = 0;
        if (!take_number(text, number) || (zeros && number > 10'000'000)) return false;
        if (zeros)
            script.insert(script.end(), number, 0);
        else
            script.push_back(number);
    }
    return true;
}

}  // namespace

std::string_view to_string(choice what) noexcept {
    static constexpr std::array<std::string_view, 11> names = {"order",
                                                               "delay",
                                                               "short transfer",
                                                               "race",
                                                               "cancel order",
                                                               "late data",
                                                               "end of a multishot request",
                                                               "interrupted",
                                                               "hold back",
                                                               "short submit",
                                                               "schedule"};
    return names[static_cast<std::size_t>(what)];
}

choices choices::seeded(std::uint64_t seed) {
    choices made;
    made.seeded_ = true;
    made.seed_ = made.state_ = seed;
    return made;
}

choices choices::scripted(std::vector<std::uint32_t> script) {
    choices made;
    made.script_ = std::move(script);
    return made;
}

choices choices::decided_by(decider decide) {
    choices made;
    made.decide_ = std::move(decide);
    return made;
}

std::optional<choices> choices::from_token(std::string_view token) {
    if (token.empty()) return {};
    const char kind = token.front();
    token.remove_prefix(1);
    if (kind == 't') {
        std::vector<std::uint32_t> script;
        if (!read_script(token, script)) return {};
        return scripted(std::move(script));
    }
    if (kind != 's' || token.empty() || token.size() > 16) return {};
    std::uint64_t seed = 0;
    for (const char digit : token) {
        const auto value = digits.find(digit);
        if (value >= 16) return {};
        seed = seed * 16 + value;
    }
    return seeded(seed);
}

std::uint64_t choices::random() noexcept {
    // splitmix64: passes the usual statistical tests, and any seed will do.
    std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15U;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    return mixed ^ (mixed >> 31);
}

std::uint32_t choices::record(std::uint32_t chosen, std::uint32_t count) {
    trace_.push_back({chosen, count});
    return chosen;
}

std::uint32_t choices::pick(choice what, std::uint32_t count) {
    RF_ASSERT(count != 0, "a choice among nothing");
    if (count == 1) return 0;
    if (seeded_) return record(static_cast<std::uint32_t>(random() % count), count);
    std::uint32_t chosen = 0;
    if (decide_)
        chosen = decide_(what, count);
    else if (trace_.size() < script_.size())
        chosen = script_[trace_.size()];
    return record(chosen % count, count);
}

bool choices::chance(choice what, std::uint32_t permille) {
    if (permille == 0) return false;
    if (seeded_) return record(random() % 1000 < permille ? 1 : 0, 2) != 0;
    return pick(what, 2) != 0;
}

std::string choices::token() const {
    std::string text;
    if (seeded_) {
        for (std::uint64_t rest = seed_; rest != 0; rest /= 16)
            text += digits[rest % 16];
        if (text.empty()) text += '0';
        text += 's';
        std::ranges::reverse(text);
        return text;
    }
    text += 't';
    std::uint32_t zeros = 0;
    for (const made& one : trace_) {
        if (one.chosen == 0) {
            ++zeros;
            continue;
        }
        if (zeros > 2) {
            text += '.';
            append_number(text, zeros);
        } else {
            text.append(zeros, '0');
        }
        zeros = 0;
        append_number(text, one.chosen);
    }
    return text;
}

std::optional<choices> choices::next() const {
    std::size_t kept = trace_.size();
    while (kept != 0 && trace_[kept - 1].chosen + 1 >= trace_[kept - 1].count)
        --kept;
    if (kept == 0) return {};
    std::vector<std::uint32_t> script;
    script.reserve(kept);
    for (std::size_t i = 0; i < kept; ++i)
        script.push_back(trace_[i].chosen);
    ++script.back();
    return scripted(std::move(script));
}

}  // namespace rf::leakcheck
