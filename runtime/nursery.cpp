// SPDX-License-Identifier: MIT
#include <ringfence/runtime/nursery.hpp>

#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/detail/exception_text.hpp>
#include <ringfence/runtime/detail/shard_set.hpp>
#include <ringfence/runtime/detail/user_line.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/run_observer.hpp>
#include <ringfence/runtime/task_tree.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <memory>

namespace rf {

std::string child_failure::describe() const {
    return fmt::format("task {}{}{}{} (spawned at {}) failed: {}", task_id, name ? " \"" : "",
                       name ? name : "", name ? "\"" : "", detail::to_string(spawned),
                       detail::exception_text(error));
}

nursery_closed::nursery_closed(std::source_location opened)
    : std::runtime_error(fmt::format("spawn on a nursery that is draining (opened at {}): it takes "
                                     "no new children; ask draining() first",
                                     detail::to_string(opened))) {}

nursery_full::nursery_full(std::uint32_t limit, std::source_location opened)
    : std::runtime_error(fmt::format("spawn on a nursery at its limit of {} children (opened at "
                                     "{}); wait for a place with co_await spawn_when_free(...)",
                                     limit, detail::to_string(opened))) {}

namespace detail {

nursery_core::nursery_core(const nursery_options& options, std::source_location opened) noexcept
    : options_(options), scope_(scope_kind::nursery, opened) {
    scope_.nursery = this;
    grace_.owner = this;
    grace_.on_fire = &nursery_core::drain_expired;
}

nursery_core::~nursery_core() {
    RF_ASSERT(idle(), "a nursery was destroyed with children alive; they must be gone first");
    RF_ASSERT(waiting_.empty(), "a nursery was destroyed while tasks wait for a place in it");
    finish();
}

void nursery_core::open(scope_node* parent, task_record* host) noexcept {
    scope_.attach(parent, host);
    locals_ = host != nullptr ? host->locals : nullptr;
    guard_ = host != nullptr ? host->guard : 0;
}

void nursery_core::finish() noexcept {
    if (grace_.armed()) loop::here().timers().cancel(grace_);
    loop* const owner = loop::current();
    if (scope_.linked() && owner != nullptr && owner->watched()) [[unlikely]]
        owner->tell_of_closing(*this);
    if (services_ != nullptr) services_->leave();
    scope_.leave();
}

// Before the scopes that children have opened, so that services hear first of what ends them all.
void nursery_core::make_services() {
    services_ = std::make_unique<services_scope>(scope_.opened());
    services_->attach(&scope_, scope_.host());
    services_->unlink();
    scope_.children.push_front(*services_);
}

void nursery_core::child_ended(child_end&& end) noexcept {
    if (end.service)
        --services_live_;
    else
        ++settled_;
    accounting& counters = loop::here().counters();
    --counters.tasks_live;
    if (end.failed) {
        ++failed_;
        ++counters.tasks_failed;
        if (end.error) record({std::move(end.error), end.id, end.name, end.spawned});
    } else {
        ++cancelled_;
        ++counters.tasks_cancelled;
    }
    child_gone();
}

// Lets those in who wait for a place, or for the end.
void nursery_core::child_gone() noexcept {
    while (!waiting_.empty() && size() < options_.limit) {
        spawn_waiter& next = waiting_.pop_front();
        next.start_now();
        if (!next.place_unused) break;
    }
    check_idle();
}

void nursery_core::record(child_failure&& failure) noexcept {
    if (options_.on_failure == failure_policy::isolate && options_.failures == nullptr) {
        tell(failure);
        return;
    }
    if (options_.on_failure == failure_policy::fail_fast)
        scope_.cancel(cancel_cause::child_failed, detail::exception_text(failure.error),
                      failure.spawned);
    keep(std::move(failure));
}

// The first failure is thrown in the end. No other has anybody who catches it, so it is told now.
void nursery_core::keep(child_failure&& failure) noexcept {
    if (!failures_.empty() && (handler_ || options_.failures == nullptr)) tell(failure);
    failures_.push_back(std::move(failure));
}

void nursery_core::tell(const child_failure& failure) noexcept {
    if (handler_)
        handler_(failure);
    else
        std::fprintf(stderr, "ringfence: %s\n", failure.describe().c_str());
}

void nursery_core::close_body(std::exception_ptr error) noexcept {
    body_ended_ = true;
    // A body that awaited a failed child throws that child's exception once more.
    const bool known = !failures_.empty() && failures_.front().error == error;
    if (error != nullptr && !known) {
        const task_record* host = scope_.host();
        child_failure failure{std::move(error), host ? host->id : 0, "the nursery's body",
                              scope_.opened()};
        scope_.cancel(cancel_cause::child_failed, detail::exception_text(failure.error),
                      scope_.opened());
        keep(std::move(failure));
    }
    check_idle();
}

void nursery_core::check_idle() noexcept {
    if (!body_ended_ || size() != 0) return;
    if (services_live_ != 0) {
        services_->cancel(cancel_cause::finished, "the children they served have ended",
                          scope_.opened());
        return;
    }
    if (joiner_ != nullptr) std::exchange(joiner_, nullptr)->resume();
}

std::exception_ptr nursery_core::take_failure() noexcept {
    if (options_.failures != nullptr) {
        for (child_failure& failure : failures_)
            options_.failures->push_back(std::move(failure));
        failures_.clear();
        return nullptr;
    }
    return failures_.empty() ? nullptr : failures_.front().error;
}

void nursery_core::drain() noexcept { drain(std::chrono::seconds(10)); }

void nursery_core::on_child_failure(std::function<void(const child_failure&)> handler) {
    handler_ = std::move(handler);
}

nursery_statistics nursery_core::statistics() const noexcept {
    std::uint64_t waiting = 0;
    waiting_.for_each([&](const spawn_waiter&) { ++waiting; });
    return {size(), services_live_, started_, failed_, cancelled_, waiting};
}

void nursery_core::check_not_draining() const {
    if (closed_to_children()) RF_THROW(nursery_closed(scope_.opened()));
}

void nursery_core::refuse_if_closed() const {
    check_not_draining();
    if (!has_room()) RF_THROW(nursery_full(options_.limit, scope_.opened()));
}

void nursery_core::drain_for(instant grace) noexcept {
    if (scope_.draining() && grace_.armed()) return;
    scope_.drain();
    if (idle() && body_ended_) return;
    const instant deadline = after(grace);
    if (deadline != instant_never) loop::here().timers().arm(grace_, deadline);
}

void nursery_core::drain_expired(timer& fired) noexcept {
    nursery_core& self = *static_cast<grace_timer&>(fired).owner;
    // The root of a shard that serves others: it has ended, and stays until they have.
    if (self.idle() && self.body_ended_) return;
    loop& owner = loop::here();
    std::string left = owner.observer != nullptr ? owner.observer->held_up(owner) : std::string();
    left += task_tree(self.scope_) + owner.recent_events();
    std::fprintf(stderr,
                 "ringfence: %sthe grace period of a drain has passed; still running, and "
                 "cancelled now:\n%s",
                 shard_text(owner).c_str(), left.c_str());
    // Before the cancel: it follows on the same way, and those who are asked can still say where
    // they wait.
    if (const shard_state* here = owner.shard(); here != nullptr && here->root == &self)
        here->set->tell_of_guests();
    self.scope_.cancel(cancel_cause::drain_expired, "the grace period of a drain passed",
                       self.scope_.opened());
}

void join_children::describe(wait_description& out) const {
    const nursery_statistics now = children_.statistics();
    out.kind = "join";
    out.what = fmt::format("{} child{} of its nursery to end", now.live + now.services_live,
                           now.live + now.services_live == 1 ? "" : "ren");
    out.object = &children_;
    out.owner = "the children";
    out.cancellable = false;
}

void spawn_waiter::describe_wait(const nursery_core& home, wait_description& out) {
    out.kind = "nursery";
    out.what = "a place in a nursery at its limit";
    out.object = &home;
    out.owner = fmt::format("one of its {} children", home.size());
}

std::source_location current_line() noexcept {
    const task_record* task = slot.current;
    return task != nullptr ? user_line(*task) : std::source_location();
}

void report_unread_failure(std::uint64_t task_id, const std::exception_ptr& error) noexcept {
    std::fprintf(stderr,
                 "ringfence: task %llu failed and its join_handle was dropped without being "
                 "awaited: %s\n",
                 static_cast<unsigned long long>(task_id), detail::exception_text(error).c_str());
}

}  // namespace detail
}  // namespace rf
