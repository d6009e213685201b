// SPDX-License-Identifier: MIT
#include <ringfence/sync/detail/shared_core.hpp>

#include <ringfence/runtime/loop.hpp>

#include <algorithm>

namespace rf::sync::detail {

cancel_outcome shared_wait::cancel() noexcept {
    core_->leave(*this);
    return cancel_outcome::removed;
}

shared_core::shared_core(const char* kind, std::source_location made) noexcept
    : identity_{kind, made}, home_(loop::current()) {}

shared_core::~shared_core() = default;

shared_core::change::~change() {
    shared_port* chain = core_.plan();
    lock_.unlock();
    post(chain);
}

bool shared_core::try_serve(shared_wait& wait) noexcept {
    change here(*this);
    const auto side = static_cast<std::size_t>(wait.side());
    if (waiting_[side] != 0) {
        // Not past those of this loop who wait. What other loops wait for, they will look for.
        const shared_port* port = find_here();
        if (port != nullptr && port->waiting[side] != 0) return false;
    }
    return serve(wait);
}

void shared_core::line_up(shared_wait& wait) noexcept {
    bool served = false;
    {
        change here(*this);
        const auto side = static_cast<std::size_t>(wait.side());
        shared_port& port = port_here();
        // Again under the lock under which it joins the line: things may have changed since.
        served = port.waiting[side] == 0 && serve(wait);
        if (!served) {
            port.lines[side].push_back(wait);
            ++port.waiting[side];
            ++waiting_[side];
            update_expectation(port);
        }
    }
    if (served) wait.grant();
}

void shared_core::leave(shared_wait& wait) noexcept {
    change here(*this);
    const auto side = static_cast<std::size_t>(wait.side());
    shared_port& port = *find_here();
    wait.unlink();
    --port.waiting[side];
    --waiting_[side];
    update_expectation(port);
}

void shared_core::deliver(inbox_message& message) noexcept {
    auto& port = static_cast<shared_port&>(message);
    shared_core& core = *port.core;
    for (shared_wait* served = nullptr;;) {
        {
            change here(core);
            served = core.serve_one(port);
            if (served == nullptr) {
                port.posted = false;
                core.update_expectation(port);
            }
        }
        if (served == nullptr) break;
        // One at a time and without the lock: a case of a select takes its other cases back, which
        // may be next in this line, or wait at another shared object.
        served->grant();
    }
    core.release();
}

shared_wait* shared_core::serve_one(shared_port& port) noexcept {
    for (std::size_t side = 0; side < shared_sides; ++side) {
        auto& line = port.lines[side];
        if (line.empty() || !serve(line.front())) continue;
        --port.waiting[side];
        --waiting_[side];
        return &line.pop_front();
    }
    return nullptr;
}

shared_port* shared_core::find_here() noexcept {
    loop* const here = loop::current();
    for (const auto& port : ports_)
        if (port->owner == here) return port.get();
    return nullptr;
}

shared_port& shared_core::port_here() {
    if (shared_port* known = find_here(); known != nullptr) return *known;
    ports_.push_back(std::make_unique<shared_port>());
    shared_port& made = *ports_.back();
    made.run = &shared_core::deliver;
    made.core = this;
    made.owner = &loop::here();
    return made;
}

shared_port* shared_core::plan() noexcept {
    shared_port* chain = nullptr;
    for (std::size_t side = 0; side < shared_sides; ++side) {
        if (waiting_[side] + threads_[side] == 0) continue;
        std::size_t left = ready(static_cast<shared_side>(side));
        if (left == 0) continue;
        if (left < threads_[side]) {
            for (; left != 0; --left)
                bells_[side].notify_one();
            continue;
        }
        if (threads_[side] != 0) bells_[side].notify_all();
        left -= threads_[side];
        for (std::size_t i = 0; i < ports_.size() && left != 0; ++i) {
            shared_port& port = *ports_[(next_ + i) % ports_.size()];
            if (port.waiting[side] == 0) continue;
            if (!port.posted) tell(port, chain);
            left -= std::min(left, port.waiting[side]);
        }
    }
    if (chain != nullptr) ++next_;
    return chain;
}

void shared_core::tell(shared_port& port, shared_port*& chain) noexcept {
    port.posted = true;
    references_.fetch_add(1, std::memory_order_relaxed);
    port.next_posted = chain;
    chain = &port;
    ++posts_;
}

void shared_core::post(shared_port* chain) noexcept {
    while (chain != nullptr) {
        // Read before the post, with which the port may go.
        shared_port& port = *std::exchange(chain, chain->next_posted);
        port.owner->post(port);
    }
}

// A loop whose tasks wait here must be there to be told, and is not stuck: unless nobody else has a
// handle. On the port's own loop.
void shared_core::update_expectation(shared_port& port) noexcept {
    const bool others = handles_ > 1 || home_ != port.owner;
    const bool wanted = port.posted || (!port.idle() && others);
    if (wanted == port.expecting) return;
    port.expecting = wanted;
    if (wanted)
        port.owner->expect_post();
    else
        port.owner->post_arrived();
}

void shared_core::add_handle() noexcept {
    references_.fetch_add(1, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    ++handles_;
    if (shared_port* port = loop::current() != nullptr ? find_here() : nullptr; port != nullptr)
        update_expectation(*port);
}

void shared_core::drop_handle() noexcept {
    shared_port* chain = nullptr;
    {
        const std::lock_guard lock(mutex_);
        --handles_;
        if (handles_ == 0 && waiting_[0] + waiting_[1] + threads_[0] + threads_[1] != 0)
            misused(identity_,
                    "its last handle was destroyed while tasks wait on it; a handle has to outlive "
                    "the waits that were begun with it");
        // Who waits with the last handle waits for nobody: their loop has to know.
        if (handles_ == 1)
            for (const auto& port : ports_)
                if (port->expecting && !port->posted) tell(*port, chain);
    }
    post(chain);
    release();
}

void shared_core::release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

std::chrono::steady_clock::time_point shared_core::blocking_until(
    std::chrono::nanoseconds limit) const noexcept {
    if (loop::current() != nullptr)
        misused(identity_, "a blocking call was made on the thread of a loop, which would stop "
                           "every task there; await the call without _blocking instead");
    constexpr std::chrono::nanoseconds longest = std::chrono::hours(24 * 365);
    return std::chrono::steady_clock::now() + std::min(limit, longest);
}

shared_core::counts shared_core::count() const noexcept {
    counts now;
    now.handles = handles_;
    now.posts = posts_;
    for (std::size_t side = 0; side < shared_sides; ++side)
        now.waiting[side] = waiting_[side] + threads_[side];
    return now;
}

}  // namespace rf::sync::detail
