// SPDX-License-Identifier: MIT
// The detection benchmark: known bugs, each buggy and repaired, in two forms, against the
// detectors. Prints a table and its sums; fails if a target is missed. See
// docs/reference/detection-benchmark.md.
#include "tests/corpus/examination.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

using namespace rf::corpus;

namespace {

struct extent {
    std::uint32_t repaired_runs = 1000;    // of each repaired twin, in each form
    std::uint32_t impossible_runs = 1000;  // of what the structure makes impossible
    std::uint32_t seeds = 10;              // searches for each bug, each from another seed
};

struct sums {
    int kernels = 0;
    int found = 0;
    int proven = 0;
    int blamed = 0;
    int steady = 0;
    int impossible = 0;
    int structured_found = 0;
    int plain = 0;
    int false_positives = 0;
    long repaired_runs = 0;
    double longest_ms = 0;

    void add(const sums& other) {
        kernels += other.kernels;
        found += other.found;
        proven += other.proven;
        blamed += other.blamed;
        steady += other.steady;
        impossible += other.impossible;
        structured_found += other.structured_found;
        plain += other.plain;
        false_positives += other.false_positives;
        repaired_runs += other.repaired_runs;
        longest_ms = std::max(longest_ms, other.longest_ms);
    }
};

const char* yes(bool holds) { return holds ? "yes" : "**no**"; }

const char* means_of(structure how) {
    switch (how) {
    case structure::detected: return "";
    case structure::by_guard: return "impossible: guards";
    case structure::by_ends: return "impossible: ends";
    case structure::by_scope: return "impossible: scope";
    }
    return "";
}

/// How many of so many searches find the bug and blame it rightly.
std::uint32_t searches(const entry& row, form as, std::uint32_t seeds, finding& first) {
    std::uint32_t good = 0;
    for (std::uint32_t i = 0; i < seeds; ++i) {
        const finding one = examine(row, as, false, {.seed = 1 + i * 100'000});
        good += one.found() && one.wrong.empty() ? 1 : 0;
        if (i == 0) first = one;
    }
    return good;
}

int false_positives(const entry& row, form as, bool fixed, std::uint32_t runs, sums& sum) {
    const finding found =
        examine(row, as, fixed, {.runs = runs, .time = std::chrono::minutes(5), .seed = 7});
    sum.repaired_runs += found.runs;
    if (found.found())
        std::fprintf(stderr, "%s: %s where nothing is wrong: %s\n", row.name, found.verdict.c_str(),
                     found.text.c_str());
    return found.found() ? 1 : 0;
}

sums examine_row(const entry& row, const extent& how) {
    sums sum;
    sum.kernels = 1;
    finding background;
    const std::uint32_t good = searches(row, form::background, how.seeds, background);
    sum.found = background.found() ? 1 : 0;
    sum.proven = background.proven ? 1 : 0;
    bool blamed = background.found() && background.wrong.empty();
    bool steady = good == how.seeds;
    sum.longest_ms = static_cast<double>(background.took.count()) / 1e3;

    std::string structured = means_of(row.structured);
    sums wrong;  // alarms where the structure has made the bug impossible
    if (row.structured == structure::detected) {
        finding other;
        steady &= searches(row, form::structured, how.seeds, other) == how.seeds;
        blamed &= other.found() && other.wrong.empty();
        sum.structured_found = other.found() ? 1 : 0;
        sum.longest_ms = std::max(sum.longest_ms, static_cast<double>(other.took.count()) / 1e3);
        structured = other.found() ? "detected: " + other.verdict : "**missed**";
        if (!other.wrong.empty())
            std::fprintf(stderr, "%s, structured: %s\n", row.name, other.wrong.c_str());
    } else {
        sum.impossible = 1;
        const int alarms =
            false_positives(row, form::structured, false, how.impossible_runs, wrong);
        if (alarms != 0) structured = "**detected**", sum.impossible = 0;
    }
    if (!background.wrong.empty())
        std::fprintf(stderr, "%s: %s\n", row.name, background.wrong.c_str());
    sum.blamed = blamed ? 1 : 0;
    sum.steady = steady ? 1 : 0;
    sum.false_positives = false_positives(row, form::background, true, how.repaired_runs, sum) +
                          false_positives(row, form::structured, true, how.repaired_runs, sum);
    const finding plain = examine_plain(row, form::background, false);
    sum.plain = plain.found() ? 1 : 0;

    fmt::print("| {} | {} | {} | {}{} | {} | {} | {} | {} |\n", row.name, row.group,
               yes(background.found()), background.verdict, background.proven ? "" : " (suspect)",
               *row.blamed == '\0' ? "nobody to name" : yes(blamed), structured,
               sum.false_positives, plain.found() ? "yes" : "no");
    std::fflush(stdout);
    return sum;
}

sums examine_all(const char* title, const entries& rows, const extent& how) {
    fmt::print("\n{}\n\n"
               "| kernel | class | found on the first run | verdict | names and lines right | "
               "structured form | false positives | plain loop |\n"
               "|---|---|---|---|---|---|---|---|\n",
               title);
    sums sum;
    for (const entry& row : rows)
        sum.add(examine_row(row, how));
    return sum;
}

void print_sums(const char* title, const sums& sum) {
    fmt::print("| {} | {} | {} | {} | {} | {} | {} | {} | {} of {} runs | {} | {:.0f} ms |\n",
               title, sum.kernels, sum.found, sum.proven, sum.blamed, sum.kernels - sum.steady,
               sum.impossible, sum.structured_found, sum.false_positives, sum.repaired_runs,
               sum.plain, sum.longest_ms);
}

bool meets_targets(const sums& sum) {
    return sum.found == sum.kernels && sum.proven * 10 >= sum.kernels * 9 &&
           sum.blamed == sum.kernels && sum.steady == sum.kernels && sum.false_positives == 0 &&
           sum.impossible + sum.structured_found == sum.kernels;
}

}  // namespace

int main(int argc, char** argv) {
    const bool small = argc > 1 && std::string_view(argv[1]) == "--small";
    extent how;
    if (small) how = {.repaired_runs = 10, .impossible_runs = 10, .seeds = 1};
    const sums suite = examine_all("Kernels of GoBench", rf::corpus::suite(), how);
    const sums others =
        examine_all("Kernels of classes that GoBench has not", rf::corpus::natives(), how);
    sums both = suite;
    both.add(others);
    fmt::print(
        "\nSums\n\n"
        "| | kernels | found on the first run | proven | all names and lines right | flaky | "
        "impossible when structured | detected when structured | false positives | "
        "found on a plain loop | longest search |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|\n");
    print_sums("GoBench", suite);
    print_sums("others", others);
    print_sums("all", both);
    const bool good = meets_targets(both);
    fmt::print("\nAll targets {}.\n", good ? "met" : "NOT met");
    return good ? 0 : 1;
}
