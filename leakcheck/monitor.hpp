// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/detail/growth_track.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/task.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rf::leakcheck {

struct monitor_options {
    std::chrono::nanoseconds interval = std::chrono::seconds(5);  // between samples
    std::size_t sites_max = 1024;                                 // watched at a time
};

enum class site_kind : std::uint8_t {
    spawn,  // the line that started the tasks
    wait,   // the line of yours that they wait at
};

/// The lasting tasks of one line.
struct site_trend {
    site_kind kind = site_kind::spawn;
    std::source_location line;
    std::uint64_t baseline = 0;  // at the beginning of `over`
    std::uint64_t now = 0;
    double per_second = 0;
    std::chrono::nanoseconds over{};
};

/// Sites that grow, the steepest first; of those that are as steep, spawn sites first.
struct growth_warning {
    std::vector<site_trend> sites;
    int shard = -1;      // whose tasks they are; -1: there are none
    std::string events;  // the last events of the loop, if it records them
    /// One line per site, below a line of headings.
    [[nodiscard]] std::string table() const;

    /// The same for `go tool pprof` and its like, see task_profile: a sample per site, whose values
    /// are by how many it has grown since the baseline, below zero where it has shrunk, what there
    /// are now and the baseline. The bytes of the file. Throws std::runtime_error where ringfence
    /// was built without profiles. Threads: any.
    [[nodiscard]] std::string diff_profile() const;

    /// Encodes it and writes the file, blocking. Throws io_error too; leaves no half of a profile.
    void write_diff_profile(const std::string& path) const;
};

struct monitor_statistics {
    std::uint64_t samples = 0;
    std::uint64_t warnings = 0;
    std::size_t sites = 0;            // watched now
    std::uint64_t sites_refused = 0;  // sightings of sites beyond sites_max
    std::uint64_t tasks_seen = 0;     // in the last sample
    std::uint64_t tasks_lasting = 0;
};

/// Watches a running program for lines that leave more and more tasks behind.
///
///     rf::leakcheck::monitor watch;
///     rf::root_nursery().spawn_service([&] { return watch.run(); });
///
/// Every interval it walks the live tasks and counts, for each line that spawned some and each
/// line that some wait at, those that last: that were there, or in the same wait, at the sample
/// before. So the many that come and go in between, however many, are not in the numbers at all,
/// and one a second that stays shows at once. What counts as growth, and what as an ordinary day,
/// is told at growth_track: a leak of one task a second is found within a minute, one of a few an
/// hour within a day.
///
/// It is a suspicion and no proof: tasks that last by design (connections of clients that have
/// just begun to come) grow too. Start it when the service has warmed up.
/// A line is warned of once, again when its number has doubled, and anew after it had shrunk back.
///
/// Lifetime: outlives run(); as a service of the root nursery, make it before or outside what it
///   watches. Threads: one loop, whose tasks it sees.
/// Errors: an interval of zero or less and a sites_max of zero throw std::invalid_argument.
/// Cost: a walk of the live tasks an interval, some 30 ns each; 800 bytes a site with lasting
///   tasks, whatever has gone by. Nothing for tasks between samples.
class monitor {
public:
    explicit monitor(monitor_options options = {});
    monitor(const monitor&) = delete;
    monitor& operator=(const monitor&) = delete;

    /// Samples for ever: for nursery::spawn_service. One call at a time. Cancel point.
    [[nodiscard]] task<> run();

    /// One sample, now: for programs that have an interval of their own.
    void sample();

    /// Hears of growth, in the task that samples. Must not throw. By default the table is printed
    /// to standard error.
    void on_growth(std::function<void(const growth_warning&)> handler);

    /// All lines with lasting tasks, growing or not, the most first: over the last 8 intervals.
    [[nodiscard]] growth_warning lasting() const;

    [[nodiscard]] const monitor_statistics& statistics() const noexcept { return seen_; }

private:
    struct site_key {
        std::string_view file;
        std::uint_least32_t line;
        site_kind kind;
        friend bool operator==(const site_key&, const site_key&) = default;
    };
    struct key_hash {
        [[nodiscard]] std::size_t operator()(const site_key& key) const noexcept {
            return std::hash<std::string_view>()(key.file) * 31 + key.line * 2 +
                   static_cast<std::size_t>(key.kind);
        }
    };
    struct site {
        std::source_location line;
        std::uint64_t now = 0;  // while sampling: counted so far
        std::uint64_t came = 0;
        detail::growth_track track;
    };

    void look_at(const rf::detail::task_record& task);
    void count(site_kind kind, const std::source_location& line, bool came);
    void judge();
    void tell(growth_warning& warning);
    [[nodiscard]] site_trend trend_of(const site_key& key, const site& one,
                                      const detail::growth_trend& seen) const;

    monitor_options options_;
    std::function<void(const growth_warning&)> handler_;
    std::unordered_map<site_key, site, key_hash> sites_;
    std::uint64_t last_ids_[2] = {};  // the youngest task at the last sample, and the one before
    instant times_[2] = {};           // of these samples
    monitor_statistics seen_;
};

}  // namespace rf::leakcheck
