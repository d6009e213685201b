// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/accounting.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/resource.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace rf::leakcheck {

/// What a loop has in hand, class by class, each with the task, function and line that opened it.
///
/// Tasks, descriptors and buffers in use are entered when they are made. Operations, timers and
/// offload jobs cost nothing to enter: they are found through the tasks that wait for them and the
/// scopes whose deadlines they are. What the loop counts beyond those belongs to objects (the
/// receive request of a socket, the clock of a cache) and is a number without a name here.
///
/// Each also has the async stack that opened it, for a task the one that spawned it: always where a
/// task waits for it, else if it was opened while loop::keep_openings() was in force, as it is in a
/// bubble and under a leak_guard. Then operations and timers of objects have names and stacks too,
/// and each thing has the nurseries that have closed since.
///
/// Reads only. Holds names and lines, but no pointer into the loop that could dangle.
/// Threads: the loop's. Cost: linear in tasks and scopes; allocates.
struct resource_table {
    std::vector<resource> entries;
    accounting counted;  // by the loop, named or not

    resource_table() : resource_table(loop::here()) {}
    explicit resource_table(const loop& of);

    [[nodiscard]] std::uint64_t count(resource_kind kind) const noexcept;
    /// How many of a class the loop counts.
    [[nodiscard]] std::uint64_t total(resource_kind kind) const noexcept;
    /// One line each with its stack, and one for each class of which some are without a name.
    [[nodiscard]] std::string describe() const;
    /// Those without a name alone.
    [[nodiscard]] std::string describe_unnamed() const;
};

/// "descriptor 12 (tcp stream) opened at echo.cpp:9 in serve by task 4"
[[nodiscard]] std::string to_string(const resource& one);
/// The nurseries that it has outlived, a line each, and the stack that opened it, below a headline,
/// all indented; empty if there is no more to it than to_string() says.
[[nodiscard]] std::string stack_text(const resource& one, int indent);

}  // namespace rf::leakcheck
