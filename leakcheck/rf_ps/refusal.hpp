// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>

namespace rf::leakcheck::rf_ps {

/// What was asked for cannot be had: one sentence that says what happened and what to do.
struct refusal : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The kernel does not let it be read, by whoever runs this.
struct forbidden : refusal {
    using refusal::refusal;
};

}  // namespace rf::leakcheck::rf_ps
