// SPDX-License-Identifier: MIT
// Time and order: what is due, what goes first, what is reported.
#include <ringfence/leakcheck/simulated_kernel.hpp>

#include <ringfence/leakcheck/simulated_driver.hpp>
#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/loop.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace rf::leakcheck {
namespace {

constexpr std::uint32_t steps_max = 4096;  // in one look, so that a flood shares with the loop

kernel_features everything_but(const std::string& mask) {
    kernel_features all{.defer_taskrun = true,
                        .coop_taskrun = true,
                        .submit_all = true,
                        .multishot_accept = true,
                        .multishot_recv = true,
                        .multishot_recvmsg = false,
                        .multishot_poll = true,
                        .buf_ring = true,
                        .cancel_any = true};
    RF_ASSERT(mask_features(all, mask).empty(), "simulated_options::disable names no feature");
    return all;
}

}  // namespace

simulated_kernel::simulated_kernel(simulated_options options)
    : simulated_kernel(options, leakcheck::choices::seeded(options.seed)) {}

simulated_kernel::simulated_kernel(simulated_options options, leakcheck::choices decisions)
    : options_(std::move(options)), choices_(std::move(decisions)),
      features_(everything_but(options_.disable)) {}

simulated_kernel::~simulated_kernel() {
    if (!pending_.empty()) std::fputs(describe_pending().c_str(), stderr);
    RF_ASSERT(pending_.empty(), "a simulated kernel was destroyed with requests pending");
    // One by one, because the last reference to an end wakes what waits at the other.
    while (!table_.empty()) {
        const auto first = table_.begin();
        // What is left of the process's own would be in the way of the next run.
        first->second->abandon();
        table_.erase(first);
    }
}

simulated_kernel& simulated_kernel::here() noexcept {
    simulated_driver* driver = simulated_driver::current();
    RF_ASSERT(driver != nullptr && &loop::here().kernel() == driver,
              "this needs a loop on a simulated kernel");
    return driver->kernel();
}

void simulated_kernel::make_black_hole(std::uint16_t port) { black_holes_.insert(port); }

void simulated_kernel::submit(const io_uring_sqe& sqe) {
    auto owned = std::make_unique<request>();
    request& fresh = *owned;
    fresh.number = ++last_number_;
    fresh.sqe = sqe;
    pending_.emplace(fresh.number, std::move(owned));
    ++submitted_[sqe.opcode];
    if (on_submit) on_submit(sqe.opcode, find(sqe.fd).get());
    if (const injection* planted = injected(sqe.opcode))
        end(fresh, planted->result, now_ + delay());
    else if (const std::int32_t error = import(fresh); error != 0)
        end(fresh, error, now_ + delay());
    else if (sqe.opcode != IORING_OP_TIMEOUT)
        schedule(fresh, now_ + delay());
}

const simulated_kernel::injection* simulated_kernel::injected(std::uint8_t opcode) {
    const injection* hit = nullptr;
    for (injection& planted : injections_) {
        if (planted.opcode != opcode) continue;
        const bool every = planted.countdown == every_request;
        if (every || (planted.countdown != 0 && --planted.countdown == 0)) hit = &planted;
    }
    return hit;
}

void simulated_kernel::inject(std::uint8_t opcode, std::uint32_t nth, std::int32_t result) {
    injections_.push_back({opcode, nth == 0 ? every_request : nth, result});
}

std::uint64_t simulated_kernel::submitted(std::uint8_t opcode) const {
    const auto found = submitted_.find(opcode);
    return found == submitted_.end() ? 0 : found->second;
}

instant simulated_kernel::delay() {
    const instant longest = options_.delay_max.count();
    if (longest <= 0) return 0;
    static constexpr instant parts[] = {0, 1, 10, 100};
    return longest / 100 * parts[choices_.pick(choice::delay, 4)];
}

void simulated_kernel::schedule(request& which, instant at) {
    which.at = at;
    if (at <= now_)
        ready_.push_back(which.number);
    else
        queue_.emplace(at, which.number);
}

void simulated_kernel::unschedule(request& which) {
    if (which.now == request::state::parked) {
        if (which.object != nullptr) std::erase(which.object->parked, which.number);
        return;
    }
    if (queue_.erase({which.at, which.number}) == 0) std::erase(ready_, which.number);
}

void simulated_kernel::restart(std::uint64_t number) {
    const auto found = pending_.find(number);
    if (found == pending_.end() || found->second->now != request::state::parked) return;
    found->second->now = request::state::due;
    schedule(*found->second, now_ + delay());
}

void simulated_kernel::wake_parked(object& changed) {
    for (const std::uint64_t number : std::exchange(changed.parked, {}))
        restart(number);
}

instant simulated_kernel::next_event() const noexcept {
    if (anything_due()) return now_;
    instant next = instant_never;
    if (!queue_.empty()) next = queue_.begin()->first;
    if (!actions_.empty()) next = std::min(next, actions_.begin()->first);
    return next;
}

bool simulated_kernel::anything_due() const noexcept {
    return !ready_.empty() || (!queue_.empty() && queue_.begin()->first <= now_) ||
           (!actions_.empty() && actions_.begin()->first <= now_);
}

void simulated_kernel::advance_to(instant when) { now_ = std::max(now_, when); }

void simulated_kernel::run_due() {
    flush_overflow();
    for (std::uint32_t steps = 0; steps < steps_max; ++steps) {
        while (!queue_.empty() && queue_.begin()->first <= now_) {
            ready_.push_back(queue_.begin()->second);
            queue_.erase(queue_.begin());
        }
        if (ready_.empty()) return;
        if (steps != 0 && choices_.chance(choice::hold_back, options_.held_back)) return;
        const auto count = static_cast<std::uint32_t>(ready_.size());
        const std::size_t chosen = choices_.pick(choice::order, count);
        const std::uint64_t number = ready_[chosen];
        // The order of the rest is kept, so that the dull answer is first come, first served.
        ready_.erase(ready_.begin() + static_cast<std::ptrdiff_t>(chosen));
        run_one(number);
    }
}

void simulated_kernel::run_one(std::uint64_t number) {
    const auto found = pending_.find(number);
    if (found == pending_.end()) return;
    request& which = *found->second;
    if (which.now == request::state::ending) {
        const bool more = which.result == -ECANCELED && which.multishot() && could_finish(which) &&
                          choices_.chance(choice::late_data, options_.late_data);
        if (more && attempt(which) == step::again) {
            schedule(which, now_);
            return;
        }
        if (pending_.contains(number)) (void)finish(which, which.result);
        return;
    }
    if (which.in_worker() && which.now != request::state::running) {
        which.now = request::state::running;
        schedule(which, now_ + delay());
        return;
    }
    switch (attempt(which)) {
    case step::finished: return;
    case step::again: schedule(which, now_); return;
    case step::parked: park(which); return;
    }
}

bool simulated_kernel::run_actions() {
    bool any = false;
    while (!actions_.empty() && actions_.begin()->first <= now_) {
        const std::function<void()> action = std::move(actions_.begin()->second);
        actions_.erase(actions_.begin());
        action();
        any = true;
    }
    return any;
}

void simulated_kernel::at(instant when, std::function<void()> action) {
    actions_.emplace(when, std::move(action));
}

void simulated_kernel::after(std::chrono::nanoseconds span, std::function<void()> action) {
    at(now_ + span.count(), std::move(action));
}

void simulated_kernel::post(const request& which, std::int32_t result, std::uint32_t flags) {
    which.touch_memory();
    const bool room = overflow_.empty() && completions_.size() < options_.cq_entries;
    (room ? completions_ : overflow_).push_back({which.sqe->user_data, result, flags});
}

simulated_kernel::step simulated_kernel::finish(request& which, std::int32_t result,
                                                std::uint32_t flags) {
    post(which, result, flags);
    pending_.erase(which.number);
    return step::finished;
}

void simulated_kernel::end(request& which, std::int32_t result, instant at) {
    which.now = request::state::ending;
    which.result = result;
    schedule(which, at);
}

void simulated_kernel::flush_overflow() {
    while (!overflow_.empty() && completions_.size() < options_.cq_entries) {
        completions_.push_back(overflow_.front());
        overflow_.pop_front();
    }
}

std::size_t simulated_kernel::reap(std::span<completion> out) noexcept {
    const std::size_t count = std::min(out.size(), completions_.size());
    const auto end = completions_.begin() + static_cast<std::ptrdiff_t>(count);
    std::copy(completions_.begin(), end, out.begin());
    completions_.erase(completions_.begin(), end);
    return count;
}

void simulated_kernel::for_each_descriptor(
    const std::function<void(int fd, const std::string& kind)>& visit) const {
    for (const auto& [fd, opened] : table_)
        if (opened->is_open()) visit(fd, opened->kind());
}

std::size_t simulated_kernel::open_descriptors() const noexcept {
    return static_cast<std::size_t>(
        std::ranges::count_if(table_, [](const auto& entry) { return entry.second->is_open(); }));
}

std::string simulated_kernel::describe_pending() const {
    std::string text =
        fmt::format("simulated kernel at {} ns, choices {}\n", now_, choices_.token());
    for (const auto& [number, which] : pending_)
        text += fmt::format("  request {}: {}\n", number, which->describe());
    for (const auto& [fd, opened] : table_)
        if (opened->is_open()) text += fmt::format("  descriptor {}: {}\n", fd, opened->kind());
    return text;
}

}  // namespace rf::leakcheck
