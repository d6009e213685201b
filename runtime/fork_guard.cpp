// SPDX-License-Identifier: MIT
#include <ringfence/runtime/fork_guard.hpp>

#include <ringfence/runtime/assert.hpp>

#include <mutex>
#include <pthread.h>

namespace rf::detail {

/// The process's guards. The lock is held across every fork, so that the child finds a whole list.
struct fork_registry {
    std::mutex lock;
    intrusive_list<fork_guard> guards;

    /// Never destroyed: a guard of a static object may outlive everything else.
    static fork_registry& instance() {
        static auto* const registry = [] {
            auto* made = new fork_registry;
            const int error = ::pthread_atfork(before, in_parent, in_child);
            RF_ASSERT(error == 0, "no memory to watch for fork()");
            return made;
        }();
        return *registry;
    }

    static void before() { instance().lock.lock(); }
    static void in_parent() { instance().lock.unlock(); }
    static void in_child() {
        instance().guards.for_each([](fork_guard& guard) { guard.in_child_(guard.context_); });
        instance().lock.unlock();
    }
};

fork_guard::fork_guard(child_function in_child, void* context)
    : in_child_(in_child), context_(context) {
    fork_registry& registry = fork_registry::instance();
    const std::lock_guard hold(registry.lock);
    registry.guards.push_back(*this);
}

fork_guard::~fork_guard() {
    const std::lock_guard hold(fork_registry::instance().lock);
    unlink();
}

}  // namespace rf::detail
