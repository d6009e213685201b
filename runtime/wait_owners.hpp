// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace rf {

namespace detail {
class nursery_core;
}

/// Hears from a wait who can end it: see waiter::owners(). From this the wait-for graph is made.
///
/// The wait ends when any one of those that are named acts.
class wait_owners {
public:
    wait_owners(const wait_owners&) = delete;
    wait_owners& operator=(const wait_owners&) = delete;

    /// The task with this number, and nobody in its stead.
    virtual void task(std::uint64_t id) = 0;
    /// The task that holds what is waited for: a lock, a turn. Once it has ended, what it held is
    /// elsewhere, and nobody knows where.
    virtual void holder(std::uint64_t id) = 0;
    /// Whoever has what that task took and has moved since, to another task or within its own
    /// frame: it is not known which.
    virtual void handed_on(std::uint64_t id) = 0;
    /// The children of a nursery, when all of them have ended.
    virtual void every_child(const detail::nursery_core& of) = 0;
    /// Any child of a nursery, by ending.
    virtual void any_child(const detail::nursery_core& of) = 0;
    /// The kernel, the clock or another thread.
    virtual void outside() = 0;
    /// Whoever reaches the object that is waited for, and that is not known.
    virtual void anybody() = 0;

protected:
    wait_owners() noexcept = default;
    ~wait_owners() = default;
};

}  // namespace rf
