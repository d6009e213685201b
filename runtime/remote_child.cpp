// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/remote_child.hpp>

#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/shard_set.hpp>
#include <ringfence/runtime/nursery.hpp>

#include <fmt/format.h>

namespace rf::detail {

void remote_wait::check_target(shard target) noexcept {
    const shard_state* const home = loop::here().shard();
    const shard_state* const to = shard_access::state(target);
    RF_ASSERT(home != nullptr, "spawn_on needs shards: start the program with rf::run_sharded");
    RF_ASSERT(to != nullptr, "spawn_on was given no shard; take one of rf::shards()");
    // By address: the state of a run that is over must not be read.
    RF_ASSERT(to >= &home->set->at(0) && to <= &home->set->at(home->set->size() - 1),
              "spawn_on was given a shard of another run_sharded; take one of rf::shards()");
}

void remote_wait::await_suspend(std::coroutine_handle<>) noexcept {
    if (!enter()) return;
    home_ = loop::here().shard();
    answers_left_ = 1;
    target_->load.fetch_add(1, std::memory_order_relaxed);
    send(start_, &remote_wait::begin, *target_);
    if (slot.current->scope->draining()) on_drain();  // it missed the moment
}

// A relay of nothing but this pointer: what it refers to is handed over by the message's release
// and acquire.
void remote_wait::send(note& what, void (*run)(inbox_message&) noexcept,
                       const shard_state& to) noexcept {
    what.call = this;
    what.run = run;
    to.owner->post(what);
}

void remote_wait::order(note& what, void (*obey)(inbox_message&) noexcept) noexcept {
    ++answers_left_;
    send(what, obey, *target_);
}

cancel_outcome remote_wait::cancel() noexcept {
    order(cancel_, &remote_wait::obey_cancel);
    return cancel_outcome::pending;
}

void remote_wait::on_drain() noexcept {
    if (std::exchange(drain_sent_, true)) return;
    order(drain_, &remote_wait::obey_drain);
}

// On the other shard.

nursery_core& remote_wait::guests() const noexcept { return *target_->guests; }

void remote_wait::begin(inbox_message& message) noexcept {
    remote_wait& self = *static_cast<note&>(message).call;
    RF_TRY { self.make_guest(); }
    RF_CATCH(...) {
#if RF_EXCEPTIONS
        self.guest_failed(std::current_exception());
#endif
        self.guest_gone();
    }
}

void remote_wait::guest_made(task_record& record, scope_node& scope) noexcept {
    record.origin.set_name(home_->guest_name.c_str());
    guest_ = &scope;
    guest_id_.store(record.id, std::memory_order_relaxed);
}

void remote_wait::guest_gone() noexcept {
    guest_ = nullptr;
    target_->load.fetch_sub(1, std::memory_order_relaxed);
    send(start_, &remote_wait::answered, *home_);  // from here on, this may be gone
}

void remote_wait::obey_cancel(inbox_message& message) noexcept {
    auto& order = static_cast<note&>(message);
    remote_wait& self = *order.call;
    if (self.guest_ != nullptr)
        self.guest_->cancel(cancel_cause::parent, "cancelled by its nursery, on another shard",
                            self.where_);
    self.send(order, &remote_wait::answered, *self.home_);
}

void remote_wait::obey_drain(inbox_message& message) noexcept {
    auto& order = static_cast<note&>(message);
    remote_wait& self = *order.call;
    if (self.guest_ != nullptr) self.guest_->drain();
    self.send(order, &remote_wait::answered, *self.home_);
}

// At home again.

void remote_wait::answered(inbox_message& message) noexcept {
    remote_wait& self = *static_cast<note&>(message).call;
    if (--self.answers_left_ != 0) return;
    if (self.guest_was_cancelled())
        self.unwind();
    else
        self.resume();
}

void remote_wait::describe(wait_description& out) const {
    out.kind = "remote";
    const std::uint64_t id = guest_id_.load(std::memory_order_relaxed);
    out.what = id == 0 ? fmt::format("its task on shard {} to start", target_->index)
                       : fmt::format("task {} on shard {}", id, target_->index);
    out.object = this;
    out.owner = fmt::format("shard {}", target_->index);
}

}  // namespace rf::detail
