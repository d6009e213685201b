// SPDX-License-Identifier: MIT
#pragma once

#include "tests/corpus/kernel.hpp"

#include <set>
#include <string>
#include <string_view>

namespace rf::corpus {

/// Reads what the detectors print, as a user would, and compares whom they blame with whom they
/// should: names, and the lines that the kernel has marked.
class report_reader {
public:
    /// `blamed` as in entry.
    report_reader(const marks& lines, std::string_view blamed);

    /// Verdicts of wait_graph, and those who wait behind.
    void wait_report(std::string_view text);
    /// What leak_guard and kernel_reconciliation have found. The verdict, if there is none yet or a
    /// resource to blame is among it.
    void ledger_report(std::string_view text);
    /// What a monitor warned of.
    void growth_report(std::string_view text);
    /// What for_each_cancel_point says.
    void cancel_report(std::string_view text);
    /// A failure that none of these explains.
    void other_report(std::string_view text);

    [[nodiscard]] bool found() const noexcept { return !verdict_.empty(); }
    [[nodiscard]] const std::string& verdict() const noexcept { return verdict_; }
    [[nodiscard]] bool proven() const noexcept { return proven_; }
    /// What was named wrongly, or not at all; empty if all is as it should be.
    [[nodiscard]] std::string wrong() const;

private:
    void named(const std::string& who, std::string_view line);
    [[nodiscard]] std::string line_of(const std::string& who) const;

    const marks& lines_;
    std::set<std::string> required_;
    std::set<std::string> allowed_;
    std::set<std::string> seen_;
    std::string verdict_;
    std::string judged_;  // the task that the verdict is about
    bool proven_ = false;
    std::string wrong_;
};

}  // namespace rf::corpus
