// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/leak_guard.hpp>

#include <ringfence/leakcheck/detail/leak_collector.hpp>
#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/nursery.hpp>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace rf::leakcheck {
namespace {

using rf::detail::scope_node;
using rf::detail::task_record;

/// The guard around each guard of this thread that lives, or has left something behind.
thread_local std::unordered_map<std::uint32_t, std::uint32_t> guard_around;
// Of the process, because tasks may carry numbers to other loops.
std::atomic<std::uint32_t> last_guard{0};
std::atomic<std::uint64_t> unchecked{0};

bool is_inside(std::uint32_t guard, std::uint32_t of) {
    while (guard != of) {
        const auto found = guard_around.find(guard);
        if (found == guard_around.end()) return false;
        guard = found->second;
    }
    return true;
}

/// Operations are not compared, see leak_guard; the clock of an object is no task's.
bool counts(const resource& one) { return one.kind != resource_kind::operation && !one.shared; }

bool is_current(const resource& one) {
    return one.kind == resource_kind::task && rf::detail::slot.current != nullptr &&
           one.task_id == rf::detail::slot.current->id;
}

}  // namespace

std::uint64_t unchecked_leaks() noexcept { return unchecked.load(); }

leak_guard::leak_guard(std::source_location where)
    : task_(rf::detail::slot.current), number_(0), outer_(0), where_(where) {
    RF_ASSERT(task_ != nullptr, "a leak_guard guards what a task does: make it in a task");
    outer_ = task_->guard;
    do
        number_ = ++last_guard;
    while (number_ == 0);
    guard_around[number_] = outer_;
    task_->guard = number_;
    loop::here().keep_openings();
}

leak_guard::leak_guard(leak_suppressions& allowed, std::source_location where) : leak_guard(where) {
    allowed_ = &allowed;
}

leak_guard::~leak_guard() {
    RF_ASSERT(task_->guard == number_,
              "leak_guards of a task are destroyed in the order opposite to that of their making");
    task_->guard = outer_;
    const std::string all = compare(nullptr);
    const std::string left =
        checked_ || all.empty() || allowed_ == nullptr ? all : compare(allowed_);
    loop::here().drop_openings();
    // What is left may have to be told to the guard around this one.
    if (all.empty()) guard_around.erase(number_);
    if (checked_ || left.empty()) return;
    ++unchecked;
    std::fprintf(stderr, "ringfence: left behind by the block at %s:\n%s%s",
                 rf::detail::to_string(where_).c_str(), left.c_str(),
                 loop::here().recent_events().c_str());
    if (abort_) std::abort();
}

std::string leak_guard::findings() {
    checked_ = true;
    return compare(allowed_);
}

std::string leak_guard::compare(leak_suppressions* allowed) const {
    detail::leak_collector left(allowed);
    left.collect(loop::here(), [this](const resource& one) {
        return counts(one) && is_inside(one.guard, number_) && one.task_id != 0 &&
               !(one.task_id == task_->id &&
                 (one.kind == resource_kind::task || one.kind == resource_kind::timer));
    });
    return left.take();
}

std::string verify_none(const nursery& scope, leak_suppressions* allowed) {
    const loop& owner = loop::here();
    std::unordered_set<std::uint64_t> inside;
    std::vector<const scope_node*> todo{&scope.scope()};
    while (!todo.empty()) {
        const scope_node* at = todo.back();
        todo.pop_back();
        at->tasks.for_each([&](const task_record& task) { inside.insert(task.id); });
        at->children.for_each([&](const scope_node& child) { todo.push_back(&child); });
    }
    const task_record* const caller = rf::detail::slot.current;
    if (caller != nullptr) inside.erase(caller->id);
    // The task that opened the nursery is not inside of it, though its body is.
    const task_record* const host = scope.scope().host();
    const auto outside = [&](std::uint64_t id) {
        return (caller != nullptr && id == caller->id) || (host != nullptr && id == host->id);
    };
    detail::leak_collector left(allowed);
    left.collect(owner, [&](const resource& one) {
        if (!counts(one)) return false;
        return inside.contains(one.task_id) ||
               (std::ranges::find(one.inside, scope.scope().nursery) != one.inside.end() &&
                !outside(one.task_id));
    });
    return left.take();
}

std::string verify_none(leak_suppressions* allowed) {
    detail::leak_collector left(allowed);
    left.collect(loop::here(), [](const resource& one) { return counts(one) && !is_current(one); });
    return left.take();
}

}  // namespace rf::leakcheck
