// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace rf::leakcheck {

/// A leak that was planted, and whether it was found.
struct planted_leak {
    const char* what = "";  // "task", "descriptor", "deadlock cycle"
    bool found = false;
    std::string said;  // by the detector
};

struct self_test_report {
    std::vector<planted_leak> planted;
    /// Whether everything was found that was planted.
    [[nodiscard]] bool ok() const noexcept;
    /// One line per class.
    [[nodiscard]] std::string text() const;
};

/// Plants a leak of each class on a simulated kernel, those of the ring on a real one where there
/// is one to be had, and says whether this very program finds it, so that a detector that is not
/// armed (linked wrongly, masked, called too late) cannot pass for a clean program.
///
///     TEST_CASE("the leak checks are armed") { CHECK(rf::leakcheck::self_test().ok()); }
///
/// Leaves nothing behind. Threads: not inside rf::run. Cost: some milliseconds.
[[nodiscard]] self_test_report self_test();

}  // namespace rf::leakcheck
