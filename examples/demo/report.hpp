// SPDX-License-Identifier: MIT
#pragma once

#include "figures.hpp"
#include <ringfence/ringfence.hpp>

#include <string>

namespace demo {

/// Shows how the load goes until cancelled: one line rewritten on a terminal, plain lines
/// elsewhere.
rf::task<> show_progress(const figures& seen);

/// What the service said of itself at its end, and how it ended.
struct service_end {
    std::string work;     // "work: ..."
    std::string receipt;  // "exit: ..."
    rf::io::exit_status status{};
    bool ended = false;
};

/// Takes the two lines out of the service's output.
void read_output(service_end& end, const std::string& output);

void print_figures(const figures& seen);

/// Prints both receipts and a verdict. Returns whether everything is as it should be.
bool print_verdict(const figures& seen, const service_end& service, const rf::run_report& own);

}  // namespace demo
