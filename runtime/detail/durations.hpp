// SPDX-License-Identifier: MIT
#pragma once

/// std::chrono's durations, time points, clocks and literals, for headers: without the calendar and
/// the streams of <chrono>, which cost every file a tenth of a second of compiling.

#if __has_include(<bits/chrono.h>)
#include <bits/chrono.h>  // of libstdc++, from GCC 12 on
#else
#include <chrono>
#endif
