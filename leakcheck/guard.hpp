// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/leak_guard.hpp>

namespace rf::leakcheck {

/// The short name of leak_guard.
using guard = leak_guard;

}  // namespace rf::leakcheck
