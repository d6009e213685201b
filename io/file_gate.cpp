// SPDX-License-Identifier: MIT
#include <ringfence/io/detail/file_gate.hpp>

namespace rf::io::detail {

file_gate& file_gate::here() { return loop::here().service<file_gate>(); }

}  // namespace rf::io::detail
