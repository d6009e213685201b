// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/shard.hpp>

#include <functional>
#include <memory>
#include <string>

namespace rf {

class loop;

/// Looks into a run from outside of its tasks: for tests and tools.
///
/// It is one loop's: under run_sharded each shard has one of its own. There idle() and deadlocked()
/// are never called: a shard that has nothing to do is one that others may yet send something.
/// Threads: all calls come on the loop's thread.
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

/// Makes the observer of a shard, on its thread, when its loop is there and no task has run on any
/// shard. Null: nobody looks into this one. Called on all threads at the same time: what it shares
/// between shards has to bear that.
///
/// The run keeps what it returns until the shard's loop is gone, and lets go of it on that thread;
/// whoever wants to read it afterwards keeps a copy.
using observer_factory = std::function<std::shared_ptr<run_observer>(shard)>;

}  // namespace rf
