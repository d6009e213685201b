// SPDX-License-Identifier: MIT
// For bench programs of one source file: counts what they allocate, and prints what they find.
// Include it once: it replaces operator new.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <vector>

namespace figure_line {

/// Calls of operator new on this thread so far.
inline thread_local constinit std::uint64_t allocations = 0;

/// What was seen of one operation, a value for each round.
struct figure {
    std::vector<double> values;
    double allocations = -1;   // of one operation; below 0: not counted
    double system_calls = -1;  // as that
};

/// One line, tab-separated: name, unit, median, min, max, allocations and system calls of one
/// operation; a dash where they are not counted.
inline void print(const char* name, const char* unit, figure what) {
    std::sort(what.values.begin(), what.values.end());
    std::printf("%s\t%s\t%.4g\t%.4g\t%.4g", name, unit, what.values[what.values.size() / 2],
                what.values.front(), what.values.back());
    for (const double count : {what.allocations, what.system_calls})
        count < 0 ? std::printf("\t-") : std::printf("\t%.4f", count);
    std::printf("\n");
}

/// Whether the median is no higher than the target; if it is, standard error says so.
inline bool meets(double target, const char* name, const char* unit, figure what) {
    std::sort(what.values.begin(), what.values.end());
    const double median = what.values[what.values.size() / 2];
    if (median <= target) return true;
    std::fprintf(
        stderr,
        "target missed: %s: the median is %.4g %s, the target %.4g %s; measure again while "
        "nothing else runs, and if it stays, look for what has become slower since "
        "bench/figures.json\n",
        name, median, unit, target, unit);
    return false;
}

}  // namespace figure_line

void* operator new(std::size_t size) {
    ++figure_line::allocations;
    if (void* block = std::malloc(size)) return block;
    std::abort();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
