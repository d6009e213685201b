// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, for drivers only

#include <ringfence/runtime/detail/intrusive_list.hpp>

namespace rf::detail {

/// Calls a function in every child that this process forks, for as long as the guard lives.
///
/// The function runs before fork() returns in the child, on its only thread, and may do only what
/// is async-signal-safe. Children made by vfork or posix_spawn are not told, and need not be: they
/// share the parent's memory until they exec.
/// Threads: any; forking waits for guards that are being made or destroyed.
class fork_guard : list_hook {
public:
    using child_function = void (*)(void* context) noexcept;

    fork_guard(child_function in_child, void* context);
    fork_guard(const fork_guard&) = delete;
    fork_guard& operator=(const fork_guard&) = delete;
    ~fork_guard();

private:
    friend class intrusive_list<fork_guard, list_hook>;
    friend struct fork_registry;

    child_function in_child_;
    void* context_;
};

}  // namespace rf::detail
