// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace rf {

class loop;

/// Looks into a run from outside of its tasks: for tests and tools.
class run_observer {
public:
    /// The loop is there, and no task has run on it yet.
    virtual void begins(loop& owner) { (void)owner; }
    /// Nothing can happen any more, and there are tasks. True: now something can; the loop looks
    /// again.
    virtual bool idle(loop& owner) { return (void)owner, false; }
    /// The same is about to be reported as a deadlock. What it returns stands before the task tree.
    virtual std::string deadlocked(loop& owner) { return (void)owner, std::string(); }
    /// The grace period of a drain has passed, or the program was cancelled and does not end. The
    /// same for the report of who is left.
    virtual std::string held_up(loop& owner) { return (void)owner, std::string(); }
    /// The last task is gone, and the loop goes next.
    virtual void ends(loop& owner) { (void)owner; }

protected:
    run_observer() = default;
    virtual ~run_observer() = default;
};

}  // namespace rf
