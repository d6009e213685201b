// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, for drivers and operations only

/// The kernel's io_uring interface as this library uses it: constants, and functions that describe
/// one request each.
///
/// liburing supplies the structures only. Its own prep functions are not used: up to 2.5 they clear
/// the entry and from 2.6 io_uring_get_sqe() does, so that what is set before or after them is lost
/// with the one and stale with the other.
#include <ringfence/runtime/uring_constants.hpp>
#include <ringfence/runtime/uring_file_requests.hpp>
#include <ringfence/runtime/uring_requests.hpp>
