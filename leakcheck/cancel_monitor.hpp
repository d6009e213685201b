// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/detail/unwind_watch.hpp>
#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/loop.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rf::leakcheck {

/// How the tasks of one line come to their end when they are cancelled.
struct unwind_site {
    std::source_location line;  // of yours, where they waited
    std::uint64_t count = 0;
    std::uint64_t late = 0;      // of those, later than cancel_monitor_options::late
    std::uint64_t returned = 0;  // of those, which finished in spite of the cancel
    std::chrono::nanoseconds total{};
    std::chrono::nanoseconds longest{};
};

/// A task that came to its end late.
struct late_cancel {
    std::chrono::nanoseconds took{};  // from the cancel on
    std::uint64_t task = 0;
    /// The report in full: shard, task, who cancelled it and when, its stack, one line of advice,
    /// and the last events of the loop, if it records them.
    std::string text;
    int shard = -1;  // whose task it is; -1: there are none
};

struct cancel_monitor_options {
    /// From the cancel to the end: what takes longer is told.
    std::chrono::nanoseconds late = std::chrono::seconds(1);
    std::size_t sites_max = 1024;
};

struct cancel_monitor_statistics {
    std::uint64_t unwound = 0;
    std::uint64_t late = 0;
    std::uint64_t sites_refused = 0;  // ends at lines beyond sites_max
};

/// Measures how long cancelled tasks take to come to their end, by the line they waited at.
///
///     rf::leakcheck::cancel_monitor late;       // in a task: of this loop, while it lives
///     ...
///     std::fputs(late.report().c_str(), stderr);
///
/// The time runs from the cancel of the scope to the moment at which the last frame inside of it is
/// about to go, or has returned in spite of the cancel. What takes long is a shield, a function on
/// the offload pool, an awaitable that cannot be cancelled, or a task that goes on without waiting.
/// Each line is told of once, when it is late for the first time, and again when it has taken
/// twice as long. Tasks that have not ended yet are in report(), by the wait-for graph.
///
/// Threads: one loop; made and destroyed while it is there. One per loop hears; the last made.
/// Errors: a sites_max of zero throws std::invalid_argument.
/// Cost: a look-up for each task that is cancelled, some 50 ns; 120 bytes a line. Nothing for
///   others.
class cancel_monitor final : rf::detail::unwind_watch {
public:
    explicit cancel_monitor(cancel_monitor_options options = {});
    cancel_monitor(const cancel_monitor&) = delete;
    cancel_monitor& operator=(const cancel_monitor&) = delete;
    ~cancel_monitor();

    /// Hears of late ends instead of standard error, in the loop, outside any task. Must not throw.
    void on_late(std::function<void(const late_cancel&)> handler);

    /// All lines, those with the longest end first.
    [[nodiscard]] std::vector<unwind_site> sites() const;
    /// The same as a table, `most` lines of it, and below it who is cancelled and has not ended.
    [[nodiscard]] std::string report(std::size_t most = 32) const;

    [[nodiscard]] const cancel_monitor_statistics& statistics() const noexcept { return seen_; }

private:
    struct site_key {
        std::string_view file;
        std::uint_least32_t line;
        friend bool operator==(const site_key&, const site_key&) = default;
    };
    struct key_hash {
        [[nodiscard]] std::size_t operator()(const site_key& key) const noexcept {
            return std::hash<std::string_view>()(key.file) * 31 + key.line;
        }
    };
    struct entry {
        unwind_site seen;
        std::chrono::nanoseconds told{};  // the longest that was told of
    };

    void unwinds(const rf::detail::task_record& task,
                 const rf::detail::scope_node& scope) noexcept override;
    void returns(const rf::detail::task_record& task,
                 const rf::detail::scope_node& scope) noexcept override;
    void count(const rf::detail::task_record& task, const rf::detail::scope_node& scope,
               bool returned);
    void tell(const rf::detail::task_record& task, const rf::detail::scope_node& scope,
              std::chrono::nanoseconds took, bool returned) const;

    cancel_monitor_options options_;
    loop& loop_;
    rf::detail::unwind_watch* outer_;
    std::function<void(const late_cancel&)> handler_;
    std::unordered_map<site_key, entry, key_hash> sites_;
    std::uint64_t last_task_ = 0;  // counted last, and for which scope
    const void* last_scope_ = nullptr;
    cancel_monitor_statistics seen_;
};

}  // namespace rf::leakcheck
