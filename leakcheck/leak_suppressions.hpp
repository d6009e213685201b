// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/resource.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rf::leakcheck {

/// One thing left behind, as suppressions and reports see it.
struct leak_subject {
    resource_kind kind = resource_kind::task;
    std::uint64_t task_id = 0;        // who opened it, or the task itself
    std::string label;                // a task's name, a descriptor's kind
    std::vector<std::string> labels;  // "tenant=7": of the task, as it opened it; see with_label()
    std::string site;                 // "server.cpp:31": spawned or opened there
    std::vector<std::string> functions;  // of its async stacks, innermost first
    std::vector<std::string> ancestors;  // names, sites and functions of the tasks around it
    std::string text;                    // one or more lines, for the report
};

/// What may be left behind, and why. Every entry has a reason, and one that nothing needs is
/// reported, so that the list cannot outlive what it was for.
///
///     rf::leakcheck::leak_suppressions allowed;
///     allowed.ignore_label("metrics", "runs until the process ends")
///            .expect(2, "pool.cpp:88", "the two connections that stay warm");
///     rf::leakcheck::leak_guard nothing_else(allowed);
///
/// Sites match from the right: "server.cpp:31" or "net/server.cpp:31". A function matches by its
/// name as the task tree shows it, or the last part of it: "serve" is net::serve. A label is a
/// task's name, a descriptor's kind, or one of with_label(): "tenant=7", or "tenant" whatever its
/// value.
///
/// As a file, one entry a line, with its reason after a '#':
///
///     spawn server.cpp:31       # the acceptor of the old protocol
///     function net::keep_alive  # unbounded by design, see the page on connections
///     ancestor supervisor       # whatever runs below the task of that name, line or function
///     label metrics             # runs until the process ends
///     expect 2 pool.cpp:88      # the two connections that stay warm
///     existing                  # started by the test framework
///
/// Empty lines and lines that begin with '#' say nothing.
/// Threads: one. Cost: linear in entries, for each thing that was left.
class leak_suppressions {
public:
    leak_suppressions& ignore_spawned_at(std::string_view site, std::string_view reason);
    leak_suppressions& ignore_function(std::string_view name, std::string_view reason);
    leak_suppressions& ignore_below(std::string_view ancestor, std::string_view reason);
    leak_suppressions& ignore_label(std::string_view label, std::string_view reason);
    /// The tasks that exist now, what they wait for, and the descriptors and buffers that are open
    /// now; not those that these tasks open later. For checks of a whole loop; from a file: what
    /// exists when it is read.
    leak_suppressions& ignore_existing(std::string_view reason);
    /// Exactly `count` things of that site in one check; another number is reported.
    leak_suppressions& expect(std::size_t count, std::string_view site, std::string_view reason);

    /// Adds the entries of a text as above. False, with one sentence in `refusal` that names the
    /// line, if one is wrong; nothing is added then. `name` is that of the text, for the sentence.
    [[nodiscard]] bool add_text(std::string_view text, std::string_view name, std::string& refusal);
    /// The same with the contents of a file.
    [[nodiscard]] bool add_file(const std::string& path, std::string& refusal);

    /// What no entry allows is asked of `outer` too, which outlives this: for a list that is in
    /// force everywhere beside the list of one test case.
    leak_suppressions& also(leak_suppressions& outer);

    /// For whoever checks: what expect() counts begins anew. Each leak_guard, verify_none(), run in
    /// a bubble and wait_graph is a check.
    void begin_check() noexcept;
    /// Whether some entry allows it.
    [[nodiscard]] bool allows(const leak_subject& left);

    /// One line per entry that has allowed nothing in any check, or never as many as expected.
    /// Empty if none. Not those of also().
    [[nodiscard]] std::string unused() const;
    [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }

private:
    enum class way { spawned_at, function, below, label, existing, expected };
    struct entry {
        way by = way::label;
        std::string what;
        std::string reason;
        std::size_t expected = 0;
        std::size_t used = 0;             // expected: in this check
        std::size_t used_most = 0;        // expected: in one of the checks before
        std::uint64_t last_task = 0;      // existing: the youngest task then
        std::vector<std::string> opened;  // and what outlives tasks, as reports name it
        std::string where;                // "file:line" of a file's entry
    };
    leak_suppressions& add(entry made);
    [[nodiscard]] static entry make(way by, std::string_view what, std::string_view reason,
                                    std::size_t expected);
    [[nodiscard]] static bool matches(const entry& one, const leak_subject& left);
    [[nodiscard]] static std::string words(const entry& one);

    std::vector<entry> entries_;
    std::vector<leak_suppressions*> outer_;
};

}  // namespace rf::leakcheck
