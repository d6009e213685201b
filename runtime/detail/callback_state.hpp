// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/outcome.hpp>
#include <ringfence/runtime/inbox.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <utility>

namespace rf::detail {

/// The waiting side of a callback, as the state sees it.
class callback_wait : public waiter {
public:
    /// The completion has arrived on the loop's thread. `without_effect`: there is no result.
    virtual void completed(bool without_effect) noexcept = 0;

protected:
    callback_wait() noexcept = default;
    callback_wait(callback_wait&&) noexcept = default;
    ~callback_wait() = default;
};

/// What the completers and the waiting task share; freed by whoever lets go last.
///
/// Who claims it first, and only that one, writes the result and posts the message. The loop
/// expects that post, so it is alive when it comes; afterwards nobody but the message touches the
/// loop.
template <class T>
class callback_state : inbox_message {
public:
    callback_state(callback_wait& wait, loop& owner) noexcept : wait_(wait), owner_(owner) {
        inbox_message::run = [](inbox_message& message) noexcept {
            auto& self = static_cast<callback_state&>(message);
            self.owner_.post_arrived();
            self.wait_.completed(self.without_effect_);
        };
        owner.expect_post();
    }

    outcome<T> result;  // written by the claimer before the message, read by the task after it

    /// Whether the caller is the first, and has to see the wait to its end.
    [[nodiscard]] bool claim() noexcept {
        return !claimed_.exchange(true, std::memory_order_acq_rel);
    }
    [[nodiscard]] bool completed() const noexcept {
        return claimed_.load(std::memory_order_acquire);
    }
    bool finish(outcome<T>&& end, bool without_effect) noexcept {
        if (!claim()) return false;
        without_effect_ = without_effect;
        RF_TRY { result = std::move(end); }
        RF_CATCH(...) {
#if RF_EXCEPTIONS
            result = outcome<T>::failure(std::current_exception());
#endif
        }
        owner_.post(*this);
        return true;
    }

    void add_completer() noexcept {
        completers_.fetch_add(1, std::memory_order_relaxed);
        holders_.fetch_add(1, std::memory_order_relaxed);
    }
    void drop_completer() noexcept {
        if (completers_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            (void)finish(outcome<T>(), true);
        release();
    }
    void release() noexcept {
        if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

private:
    callback_wait& wait_;
    loop& owner_;
    std::atomic<std::uint32_t> completers_{0};
    std::atomic<std::uint32_t> holders_{1};  // completers, and the waiting task
    std::atomic<bool> claimed_{false};
    bool without_effect_ = false;
};

}  // namespace rf::detail
