// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/detail/body.hpp>
#include <ringfence/runtime/detail/slot.hpp>
#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/task.hpp>

#include <utility>

namespace rf {

namespace detail {

/// One value in force: lives in the frame of the with() that binds it. `outer` is what was in force
/// around it.
struct local_binding {
    const void* key;
    const void* value;
    local_binding* outer;
};

/// Puts a binding in force for as long as it lives, however that ends.
class local_entry {
public:
    local_entry(const void* key, const void* value) noexcept
        : task_(*slot.current), binding_{key, value, task_.locals} {
        task_.locals = &binding_;
    }
    local_entry(const local_entry&) = delete;
    local_entry& operator=(const local_entry&) = delete;
    ~local_entry() {
        RF_ASSERT(task_.locals == &binding_,
                  "task_local bindings must end in the reverse order of their start");
        task_.locals = binding_.outer;
    }

private:
    task_record& task_;
    local_binding binding_;
};

}  // namespace detail

/// A value that a task and all that it calls can see without passing it on: a request's id, a
/// logger, a tenant.
///
///     rf::task_local<std::string> request_id;                       // static, as a rule
///     co_await request_id.with("42", [&] { return handle(request); });
///     log(request_id.get_or("-"));                                  // anywhere inside
///
/// Children see what was in force where their nursery was opened, not what their spawner has bound
/// since: so no child can outlive a value it sees. What is bound cannot be changed, only bound anew
/// further in.
///
/// Cancellation: with() is as cancellable as its work. The value before is in force again on every
///   exit, unwinding included; destructors of the work's frames still see the new one.
/// Lifetime: the task_local outlives the tasks that read it. with() keeps the value and the work.
/// Threads: one object may be used on any number of loops; each task sees its own binding.
/// Cost: one block from the frame pool to bind; get() walks the bindings in force, innermost first.
template <class T>
class task_local {
public:
    task_local() noexcept = default;
    task_local(const task_local&) = delete;
    task_local& operator=(const task_local&) = delete;

    /// Runs `work` (a task, an operation, or a callable that returns either) with `value` in force.
    template <detail::work W>
    [[nodiscard]] task<detail::work_result<W>> with(T value, W work) const {
        return bind<W>(this, std::move(value), std::move(work));
    }

    /// The value in force, or null. Also null outside tasks.
    [[nodiscard]] const T* find() const noexcept {
        if (detail::slot.current == nullptr) return nullptr;
        for (const auto* at = detail::slot.current->locals; at != nullptr; at = at->outer)
            if (at->key == this) return static_cast<const T*>(at->value);
        return nullptr;
    }

    /// The value in force; there must be one.
    [[nodiscard]] const T& get() const noexcept {
        const T* found = find();
        RF_ASSERT(found != nullptr,
                  "a task_local has no value here: bind one with with(), or ask get_or()");
        return *found;
    }

    /// The value in force, or `other`.
    [[nodiscard]] T get_or(T other) const {
        const T* found = find();
        return found != nullptr ? T(*found) : std::move(other);
    }

private:
    template <class W>
    static task<detail::work_result<W>> bind(const task_local* key, T value, W work) {
        detail::local_entry in_force(key, &value);
        co_return co_await detail::start_work(work);
    }
};

}  // namespace rf
