// SPDX-License-Identifier: MIT
#include <ringfence/sync/detail/wait_queue.hpp>

#include <ringfence/runtime/detail/user_line.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace rf::sync::detail {

std::string identity::text() const {
    if (rf::detail::is_standard_library_line(made))
        return fmt::format("{} made by a function of the standard library", kind);
    return fmt::format("{} made at {}:{}", kind, made.file_name(), made.line());
}

void identity::describe(wait_description& out, const char* wait_kind, const char* verb) const {
    out.kind = wait_kind;
    out.what = fmt::format("{} to {}", text(), verb);
}

void misused(const identity& what, const char* sentence) noexcept {
    fmt::print(stderr, "ringfence: {}: {}\n", what.text(), sentence);
    std::fflush(stderr);
    std::abort();
}

std::size_t checked_count(std::size_t count, const identity& which) {
    if (count > most_counts)
        RF_THROW(
            std::invalid_argument(fmt::format("{}: a count of {}; it cannot be negative",
                                              which.text(), static_cast<std::ptrdiff_t>(count))));
    return count;
}

void describe_count(wait_description& out, const identity& which, const char* verb,
                    std::size_t left) {
    which.describe(out, "count", verb);
    out.what += fmt::format(" ({} to go)", left);
}

std::size_t wait_queue::count() const noexcept {
    std::size_t waiting = 0;
    waiters_.for_each([&](const queued_wait&) { ++waiting; });
    return waiting;
}

void wait_queue::refuse_other_loop(const identity& owner) noexcept {
    misused(owner,
            "it has waiters on another loop, and was used from this thread; primitives of sync "
            "belong to one loop, use shared_channel or shared_event between loops");
}

void wait_queue::refuse_destruction(const identity& owner) const noexcept {
    std::string who;
    waiters_.for_each([&](const queued_wait& wait) {
        who += fmt::format("{}{}", who.empty() ? "" : ", ", wait.task_id());
    });
    fmt::print(stderr,
               "ringfence: {} was destroyed while tasks wait on it: {}; it has to outlive the "
               "nursery in which they run\n",
               owner.text(), who);
    std::fflush(stderr);
    std::abort();
}

}  // namespace rf::sync::detail
