// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/detail/owned.hpp>
#include <ringfence/runtime/nursery.hpp>
#include <ringfence/runtime/task.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>
#include <ringfence/sync/event.hpp>

#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

namespace rf::sync {

/// Who is started anew when one child has to be.
enum class restart_strategy : std::uint8_t {
    one_for_one,   // that child
    one_for_all,   // all, after the others have been stopped
    rest_for_one,  // that child and those added after it
};
inline constexpr restart_strategy one_for_one = restart_strategy::one_for_one;
inline constexpr restart_strategy one_for_all = restart_strategy::one_for_all;
inline constexpr restart_strategy rest_for_one = restart_strategy::rest_for_one;

/// When a child that has ended is started anew.
enum class restart_policy : std::uint8_t {
    permanent,  // always
    transient,  // when it failed
    temporary,  // never, not even because of a sibling
};
inline constexpr restart_policy permanent = restart_policy::permanent;
inline constexpr restart_policy transient = restart_policy::transient;
inline constexpr restart_policy temporary = restart_policy::temporary;

struct supervisor_options {
    restart_strategy strategy = restart_strategy::one_for_one;
    std::uint32_t restarts_max = 3;                  // more than this many
    std::chrono::nanoseconds window{5'000'000'000};  // within this time are too many
    /// A restart waits this long, twice as long for each further one within the window, at most
    /// `backoff_max`; less up to half of it, at random. Zero: at once.
    std::chrono::nanoseconds backoff{};
    std::chrono::nanoseconds backoff_max{30'000'000'000};
    /// How long stopping all children may take when the supervisor is cancelled. Then those that
    /// are left are cancelled all at once.
    std::chrono::nanoseconds stop_limit{30'000'000'000};
    const char* name = "supervisor";  // for the task tree; outlives the supervisor
};

struct child_options {
    restart_policy restart = restart_policy::permanent;
    /// How long it may take to end by itself in a drain, when its turn has come. Zero: cancelled.
    std::chrono::nanoseconds drain_limit{};
};

/// How a child ended, for supervisor::on_exit. Valid during the call.
struct child_exit {
    const std::string& name;
    const std::exception_ptr& error;  // null: it returned
    bool restarted;                   // it is going to be
    std::uint64_t restarts;           // of this child so far, that one included
    std::chrono::nanoseconds delay;   // until then
};

struct supervised_child {
    std::string name;
    bool running = false;  // or waiting to be started anew
    std::uint64_t restarts = 0;
    std::uint64_t failures = 0;
};

struct supervisor_statistics {
    std::size_t running = 0;
    std::uint64_t restarts = 0;  // of children that had ended; not of siblings
    std::uint64_t failures = 0;
    std::vector<supervised_child> children;  // in the order of adding
};

/// Children ended more often than a supervisor puts up with: what its parent hears.
class restart_limit_reached : public std::runtime_error {
public:
    restart_limit_reached(std::string child, std::uint64_t restarts, const std::string& what,
                          std::exception_ptr cause);
    /// The child that ended last.
    [[nodiscard]] const std::string& child() const noexcept { return *child_; }
    /// Ends within the window that called for a restart; one more than the limit.
    [[nodiscard]] std::uint64_t restarts() const noexcept { return restarts_; }
    /// What that child failed with; null if it had returned.
    [[nodiscard]] const std::exception_ptr& cause() const noexcept { return cause_; }

private:
    std::shared_ptr<const std::string> child_;  // shared: copying an exception must not throw
    std::uint64_t restarts_;
    std::exception_ptr cause_;
};

/// Keeps tasks running: starts them in order, starts those that end anew, and stops them in the
/// reverse order. What it does follows the supervisors of Erlang/OTP.
///
///     rf::sync::supervisor services({.strategy = rf::sync::rest_for_one});
///     services.add("store", [&] { return store.run(); });
///     services.add("front", [&] { return serve(listener, store); });
///     co_await services.run();
///
/// Ends: run() returns when no child is left to run. More than `restarts_max` restarts within
///   `window` stop all children and throw restart_limit_reached, which is for the parent to deal
///   with: a supervisor that runs as a child of another is restarted as any child is.
/// Cancellation: run() is a cancel point. Cancelled, it cancels its children one by one, the last
///   added first, each when the one before is gone, and unwinds when all are; a supervisor among
///   them does the same with its own in its turn. After `stop_limit` the rest is cancelled at once.
/// Draining: no child is started any more. A drain is heard on all levels at once; the children are
///   stopped in the reverse order, each with its drain_limit to end by itself, and run() returns.
/// Failures: of children go to on_exit(), or are printed to standard error.
/// Lifetime: outlives run(). Threads: one loop. Cost: two tasks' frames a running child.
class supervisor {
public:
    /// A window, back-off or limit below zero, or no window, throws std::invalid_argument.
    explicit supervisor(supervisor_options options = {},
                        std::source_location made = std::source_location::current());
    supervisor(const supervisor&) = delete;
    supervisor& operator=(const supervisor&) = delete;
    ~supervisor();

    /// One more child, to be started by run(): `start` is called for every start, and lives as long
    /// as the supervisor. A name that is empty or taken, and a call while it runs, throw
    /// std::invalid_argument.
    void add(std::string name, std::function<task<>()> start, child_options options = {});

    /// Hears of each child that ends by itself. Runs in the supervisor's task; must not throw.
    void on_exit(std::function<void(const child_exit&)> handler);

    /// Starts the children and keeps them running. One call at a time; a later one starts anew.
    [[nodiscard]] task<> run(std::source_location where = std::source_location::current());

    [[nodiscard]] supervisor_statistics statistics() const;

private:
    struct child;
    class stop_request;

    [[nodiscard]] task<> supervise(nursery& home);
    [[nodiscard]] task<> run_child(child& one, std::chrono::nanoseconds delay);
    [[nodiscard]] task<> deal_with(nursery& home, child& ended);
    [[nodiscard]] task<> stop_from(std::size_t first);
    [[nodiscard]] task<> stop(child& one);
    void start(nursery& home, child& one, std::chrono::nanoseconds delay);
    void tell(const child& ended, bool restarted, std::chrono::nanoseconds delay) const;
    [[nodiscard]] std::chrono::nanoseconds next_delay() const noexcept;
    [[noreturn]] void give_up(const child& ended) const;
    [[nodiscard]] std::size_t place_of(const child& one) const noexcept;
    [[nodiscard]] std::size_t running() const noexcept;

    detail::identity identity_;
    const supervisor_options options_;
    std::vector<rf::detail::owned<child>> children_;  // in the order of adding
    std::function<void(const child_exit&)> handler_;
    std::deque<instant> restarts_;  // within the window, oldest first
    std::vector<child*> ended_;     // by themselves and not dealt with, oldest first
    auto_event wake_;               // something ended, or a stop was asked for
    std::uint64_t restarted_ = 0;
    std::uint64_t failed_ = 0;
    bool running_ = false;
    bool stopping_ = false;
};

}  // namespace rf::sync
