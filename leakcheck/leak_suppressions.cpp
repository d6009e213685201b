// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/leak_suppressions.hpp>

#include <ringfence/leakcheck/resource_table.hpp>
#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/loop.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <utility>

namespace rf::leakcheck {
namespace {

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r");
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

/// "net/server.cpp:31" matches "server.cpp:31", and not "other_server.cpp:31".
bool ends_at(std::string_view whole, std::string_view part, std::string_view before) {
    if (!whole.ends_with(part)) return false;
    if (whole.size() == part.size()) return true;
    return before.find(whole[whole.size() - part.size() - 1]) != before.npos;
}
bool is_site(std::string_view whole, std::string_view part) { return ends_at(whole, part, "/"); }
bool is_function(std::string_view whole, std::string_view part) {
    return ends_at(whole, part, ":");
}

/// Of a class that tasks hand out, and that ends by itself with none of them.
bool outlives_tasks(resource_kind kind) {
    return kind == resource_kind::descriptor || kind == resource_kind::ring_buffer ||
           kind == resource_kind::registered_buffer;
}
/// As to_string(resource) said it.
std::string_view headline(const leak_subject& left) {
    return std::string_view(left.text).substr(0, left.text.find('\n'));
}

}  // namespace

leak_suppressions& leak_suppressions::add(entry made) {
    RF_ASSERT(!made.reason.empty(), "a suppression without a reason: say why this may be left");
    RF_ASSERT(made.by == way::existing || !made.what.empty(), "a suppression of nothing");
    entries_.push_back(std::move(made));
    return *this;
}

leak_suppressions::entry leak_suppressions::make(way by, std::string_view what,
                                                 std::string_view reason, std::size_t expected) {
    entry made;
    made.by = by;
    made.what = what;
    made.reason = reason;
    made.expected = expected;
    if (by == way::existing && loop::current() != nullptr) {
        made.last_task = loop::current()->last_task_id();
        for (const resource& one : resource_table().entries)
            if (outlives_tasks(one.kind)) made.opened.push_back(to_string(one));
    }
    return made;
}

leak_suppressions& leak_suppressions::ignore_spawned_at(std::string_view site,
                                                        std::string_view reason) {
    return add(make(way::spawned_at, site, reason, 0));
}
leak_suppressions& leak_suppressions::ignore_function(std::string_view name,
                                                      std::string_view reason) {
    return add(make(way::function, name, reason, 0));
}
leak_suppressions& leak_suppressions::ignore_below(std::string_view ancestor,
                                                   std::string_view reason) {
    return add(make(way::below, ancestor, reason, 0));
}
leak_suppressions& leak_suppressions::ignore_label(std::string_view label,
                                                   std::string_view reason) {
    return add(make(way::label, label, reason, 0));
}
leak_suppressions& leak_suppressions::ignore_existing(std::string_view reason) {
    return add(make(way::existing, "", reason, 0));
}
leak_suppressions& leak_suppressions::expect(std::size_t count, std::string_view site,
                                             std::string_view reason) {
    return add(make(way::expected, site, reason, count));
}

bool leak_suppressions::add_text(std::string_view text, std::string_view name,
                                 std::string& refusal) {
    std::vector<entry> read;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto end = std::min(text.find('\n'), text.size());
        const std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.front() == '#') continue;
        const std::string where = fmt::format("{}:{}", name, number);
        const auto refuse = [&](std::string_view why) {
            refusal = fmt::format("{}: {} (\"{}\")", where, why, line);
            return false;
        };
        const auto hash = line.find('#');
        const std::string_view reason =
            hash == line.npos ? std::string_view() : trimmed(line.substr(hash + 1));
        if (reason.empty())
            return refuse("a suppression without a reason; write \"# because ...\" after it");
        const std::string_view rule = trimmed(line.substr(0, hash));
        const auto space = std::min(rule.find_first_of(" \t"), rule.size());
        const std::string_view word = rule.substr(0, space);
        std::string_view what = trimmed(rule.substr(space));
        entry made;
        if (word == "spawn")
            made.by = way::spawned_at;
        else if (word == "function")
            made.by = way::function;
        else if (word == "ancestor")
            made.by = way::below;
        else if (word == "label")
            made.by = way::label;
        else if (word == "existing")
            made.by = way::existing;
        else if (word == "expect")
            made.by = way::expected;
        else
            return refuse("a suppression begins with spawn, function, ancestor, label, expect or "
                          "existing");
        if (made.by == way::expected) {
            const auto [rest, error] =
                std::from_chars(what.data(), what.data() + what.size(), made.expected);
            what.remove_prefix(static_cast<std::size_t>(rest - what.data()));
            if (error != std::errc() || (!what.empty() && trimmed(what).size() == what.size()))
                return refuse("expect needs a number and a line of code");
            what = trimmed(what);
        }
        if (what.empty() != (made.by == way::existing))
            return refuse(made.by == way::existing ? "existing takes nothing but its reason"
                                                   : "it does not say what to ignore");
        made = make(made.by, what, reason, made.expected);
        made.where = where;
        read.push_back(std::move(made));
    }
    std::ranges::move(read, std::back_inserter(entries_));
    return true;
}

bool leak_suppressions::add_file(const std::string& path, std::string& refusal) {
    const auto refuse = [&] {
        refusal = fmt::format("the suppressions in {} cannot be read: {}", path,
                              std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
        return false;
    };
    // A folder can be opened, and not be read: that must not pass for an empty file.
    std::FILE* const file = std::fopen(path.c_str(), "re");
    if (file == nullptr) return refuse();
    std::string text;
    char part[4096];
    while (const std::size_t size = std::fread(part, 1, sizeof part, file))
        text.append(part, size);
    const bool failed = std::ferror(file) != 0;
    if (failed) (void)refuse();
    (void)std::fclose(file);
    return !failed && add_text(text, path, refusal);
}

bool leak_suppressions::matches(const entry& one, const leak_subject& left) {
    switch (one.by) {
    case way::expected:
    case way::spawned_at: return is_site(left.site, one.what);
    case way::function:
        return std::ranges::any_of(left.functions, [&](const std::string& function) {
            return is_function(function, one.what);
        });
    case way::below:
        return std::ranges::any_of(left.ancestors, [&](const std::string& ancestor) {
            return is_function(ancestor, one.what) || is_site(ancestor, one.what);
        });
    case way::label:
        return left.label == one.what ||
               std::ranges::any_of(left.labels, [&](std::string_view label) {
                   return label == one.what || label.substr(0, label.find('=')) == one.what;
               });
    case way::existing:
        if (outlives_tasks(left.kind))
            return std::ranges::find(one.opened, headline(left)) != one.opened.end();
        return left.task_id != 0 && left.task_id <= one.last_task;
    }
    return false;
}

leak_suppressions& leak_suppressions::also(leak_suppressions& outer) {
    RF_ASSERT(&outer != this, "suppressions beside themselves");
    if (std::ranges::find(outer_, &outer) == outer_.end()) outer_.push_back(&outer);
    return *this;
}

void leak_suppressions::begin_check() noexcept {
    for (entry& one : entries_)
        if (one.by == way::expected)
            one.used_most = std::max(one.used_most, std::exchange(one.used, 0));
    for (leak_suppressions* const outer : outer_)
        outer->begin_check();
}

bool leak_suppressions::allows(const leak_subject& left) {
    for (entry& one : entries_) {
        if (!matches(one, left)) continue;
        ++one.used;
        // More than expected: counted, for the report, and not allowed.
        if (one.by != way::expected || one.used <= one.expected) return true;
    }
    return std::ranges::any_of(outer_,
                               [&](leak_suppressions* outer) { return outer->allows(left); });
}

std::string leak_suppressions::words(const entry& one) {
    static constexpr const char* names[] = {"spawn ", "function ", "ancestor ",
                                            "label ", "existing",  "expect "};
    const std::string count =
        one.by == way::expected ? fmt::format("{} ", one.expected) : std::string();
    return fmt::format("{}{}{} # {}{}{}", names[static_cast<int>(one.by)], count, one.what,
                       one.reason, one.where.empty() ? "" : ", at ", one.where);
}

std::string leak_suppressions::unused() const {
    std::string text;
    for (const entry& one : entries_) {
        const std::size_t met = std::max(one.used, one.used_most);
        if (one.by == way::expected && met != one.expected)
            text +=
                fmt::format("suppression \"{}\" met {}, not {}\n", words(one), met, one.expected);
        else if (one.by != way::expected && one.used == 0)
            text += fmt::format("suppression \"{}\" was not needed: remove it\n", words(one));
    }
    return text;
}

}  // namespace rf::leakcheck
