// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/rf_ps/memory.hpp>

namespace rf::leakcheck::rf_ps {

/// Prints the tasks of a program: a tree, or one a line. Throws refusal if it has none to show.
void print_tasks(const memory& of, bool tree);

/// Prints which processes of the caller's have ringfence in them, and how many tasks.
void print_processes();

}  // namespace rf::leakcheck::rf_ps
