// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/detail/task_record.hpp>

#include <cstddef>
#include <source_location>
#include <string>
#include <vector>

namespace rf::leakcheck::detail {

/// Puts a verdict into words.
class wait_text {
public:
    wait_text(const loop& of, instant now) : loop_(of), now_(now) {}

    void begin(verdict what, std::size_t count, std::source_location where);
    /// Of those who are no finding of their own.
    void begin_behind(std::size_t count);
    /// A task that waits: for what, since when, its stack; and its owner's, if `with_owner`.
    void task(const rf::detail::task_record& subject, bool with_owner);
    void more(std::size_t count);
    /// One line of advice for the class of the finding; of many tasks the first few.
    void advise(verdict what, const std::vector<const rf::detail::task_record*>& tasks);

    [[nodiscard]] std::string take() { return std::move(text_); }

private:
    const loop& loop_;
    instant now_;
    std::string text_;
};

}  // namespace rf::leakcheck::detail
