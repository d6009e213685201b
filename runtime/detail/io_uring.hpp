// SPDX-License-Identifier: MIT
#pragma once

/// Structures and constants of the kernel's io_uring interface as liburing has them, without its
/// functions, of which public headers call none.

#include <liburing/compat.h>
#include <liburing/io_uring.h>
