// SPDX-License-Identifier: MIT
#include <ringfence/sync/condition.hpp>

namespace rf::sync {

condition::~condition() {
    waiters_.require_empty(identity_);
    if (returning_ != 0)
        detail::misused(identity_, "it was destroyed while tasks that were notified have yet to "
                                   "return from it; it has to outlive the nursery in which they "
                                   "run");
}

void condition::check(const mutex_guard& held) const noexcept {
    if (!held) detail::misused(identity_, "a task waits on it with a guard that holds no mutex");
    if (!waiters_.empty() && held.owner_ != mutex_)
        detail::misused(identity_, "tasks wait on it with different mutexes; all who wait on a "
                                   "condition at a time hold the same one");
}

void condition::begin(wait_awaiter& wait) noexcept {
    check(*wait.guard_);
    mutex_ = wait.mutex_;
    wait.handed_on_ = detail::known_owner(mutex_->owner_) == 0;
    waiters_.add(wait, identity_);
    wait.guard_->unlock();
}

void condition::wake(bool alone) noexcept {
    auto& oldest = static_cast<wait_awaiter&>(waiters_.pop(identity_));
    using phase = wait_awaiter::phase;
    oldest.phase_ = alone ? phase::notified_alone : phase::notified;
    ++notified_;
    ++returning_;
    mutex& wanted = *oldest.mutex_;
    if (wanted.owner_ != 0) {
        wanted.waiters_.add(oldest, wanted.identity_);
    } else {
        wanted.own(oldest.task_id(), oldest.where());
        oldest.grant();
    }
}

void condition::wait_awaiter::await_suspend(std::coroutine_handle<>) noexcept {
    if (enter())
        condition_->begin(*this);
    else
        guard_->unlock();  // as if the cancel had come later
}

void condition::wait_awaiter::await_resume() noexcept {
    --condition_->returning_;
    guard_->owner_ = mutex_;
    if (handed_on_) mutex_->hand_on();
}

void condition::wait_awaiter::on_removed() noexcept {
    if (phase_ == phase::waiting) return;
    --condition_->returning_;
    if (phase_ == phase::notified_alone) condition_->notify_one();
}

void condition::wait_awaiter::describe(wait_description& out) const {
    if (phase_ != phase::waiting) return mutex_->describe(out);
    condition_->identity_.describe(out, "condition", "be notified");
    out.object = condition_;
}

}  // namespace rf::sync
