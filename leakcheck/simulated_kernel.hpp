// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/choices.hpp>
#include <ringfence/leakcheck/detail/simulated_request.hpp>
#include <ringfence/leakcheck/simulated_options.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/detail/owned.hpp>
#include <ringfence/runtime/driver.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rf::leakcheck {

namespace detail {
class simulated_calls;
class simulated_listener;
class simulated_stream;
}  // namespace detail

/// A kernel in memory, with virtual time: what a simulated_driver carries requests to.
///
/// Requests complete in an order, after delays and with results that `choices` decide, and always
/// such that the real kernel could have done so: a cancel has a completion of its own, before or
/// after its target's; a completion may win against it; multishot requests end by themselves;
/// transfers fall short; queues overflow. What a request points to is read and written from its
/// submission until its last completion, and never outside.
///
/// Time stands still while anything is due and jumps when the loop sleeps.
///
/// Sockets, pipes and eventfds that I/O objects make under it are its own (driver::calls()): names,
/// ports and backlogs of a network of one machine, to which every address belongs, and which
/// nothing outside can reach. Their descriptors are numbers from 1,000,000 up, the lowest free one
/// first. To the process they are not open, so that a system call of the program on one fails with
/// EBADF.
///
/// Files and directories are the process's: a request on one is carried out by the plain system
/// call at the moment at which it completes here, so that a cancel before it has no effect.
///
/// Other descriptors of the process (those of a pipe or a socket that was made outside) are refused
/// with EBADFD, and a sentence in the report of the run.
///
/// Lifetime: outlives its driver.
/// Threads: the loop's.
class simulated_kernel {
public:
    explicit simulated_kernel(simulated_options options = {});
    /// Decisions from elsewhere than the seed of `options`.
    simulated_kernel(simulated_options options, leakcheck::choices decisions);
    simulated_kernel(const simulated_kernel&) = delete;
    simulated_kernel& operator=(const simulated_kernel&) = delete;
    /// No request may be pending.
    ~simulated_kernel();

    /// The kernel under the calling thread's loop. Aborts if that is not a simulated one.
    [[nodiscard]] static simulated_kernel& here() noexcept;

    // Descriptors, for tests and the tasks in them.

    struct descriptor_pair {
        int first = -1;
        int second = -1;
    };
    [[nodiscard]] descriptor_pair make_stream_pair();
    /// `first` is read from, `second` written to.
    [[nodiscard]] descriptor_pair make_pipe();
    /// A socket for CONNECT.
    [[nodiscard]] int make_socket();
    /// Listens on `port`; 0 chooses one.
    [[nodiscard]] int make_listener(std::uint16_t port = 0);
    [[nodiscard]] std::uint16_t port_of(int listener) const;
    /// Connects to `port` take for ever, as behind a firewall that drops.
    void make_black_hole(std::uint16_t port);
    /// Connects at once. The client's end, or -ECONNREFUSED, -EAGAIN if the backlog is full.
    [[nodiscard]] int connect_to(int listener);
    [[nodiscard]] int make_file(std::string_view content = {});
    [[nodiscard]] std::string content_of(int file) const;
    [[nodiscard]] int make_eventfd(std::uint64_t initial = 0);

    // What the peer of a program does, at once and without a request. As the system calls on a
    // non-blocking descriptor: a count, or a negative errno.
    int write_now(int fd, std::string_view data);
    [[nodiscard]] std::string read_now(int fd, std::size_t size_max = SIZE_MAX);
    int shut_down_now(int fd, int how);
    int close_now(int fd);
    /// The connection breaks: the other end hears ECONNRESET. `fd` stays open.
    void reset_now(int fd);

    /// Runs `action` on the loop's thread when the virtual clock has come to `when`.
    void at(instant when, std::function<void()> action);
    void after(std::chrono::nanoseconds span, std::function<void()> action);

    /// The `nth` request with this opcode from now on (1 is the next, 0 every one) completes with
    /// `result` and has no effect.
    void inject(std::uint8_t opcode, std::uint32_t nth, std::int32_t result);
    /// Hears of each request as it is submitted, with what its descriptor refers to; null for none.
    std::function<void(std::uint8_t opcode, const detail::simulated_object* object)> on_submit;
    /// How many requests with this opcode were submitted.
    [[nodiscard]] std::uint64_t submitted(std::uint8_t opcode) const;

    // What there is.

    [[nodiscard]] instant time() const noexcept { return now_; }
    /// Simulated ones, and files that requests have opened.
    [[nodiscard]] std::size_t open_descriptors() const noexcept;
    void for_each_descriptor(
        const std::function<void(int fd, const std::string& kind)>& visit) const;
    [[nodiscard]] std::size_t pending_requests() const noexcept { return pending_.size(); }
    /// One line per pending request and open descriptor.
    [[nodiscard]] std::string describe_pending() const;
    [[nodiscard]] leakcheck::choices& choices() noexcept { return choices_; }
    [[nodiscard]] const simulated_options& options() const noexcept { return options_; }
    /// What it can do: everything, less what the options mask.
    [[nodiscard]] const kernel_features& features() const noexcept { return features_; }

private:
    friend class simulated_driver;
    friend class detail::simulated_object;
    friend class detail::simulated_stream;
    friend class detail::simulated_listener;
    friend class detail::simulated_calls;
    using request = detail::simulated_request;
    using object = detail::simulated_object;

    static constexpr std::uint32_t every_request = ~std::uint32_t{0};
    struct injection {
        std::uint8_t opcode;
        std::uint32_t countdown;  // 0: used up
        std::int32_t result;
    };
    enum class step : std::uint8_t { finished, again, parked };

    // Descriptors (simulated_descriptors.cpp).
    [[nodiscard]] int install(std::shared_ptr<object> opened);
    [[nodiscard]] std::shared_ptr<object> find(int fd) const;
    /// The process's file or directory of that number, if it is one: that never blocks for long.
    [[nodiscard]] std::shared_ptr<object> file_of_process(int fd);
    /// One of its own, or of the process.
    int close_any(int fd);
    template <class Kind>
    [[nodiscard]] Kind& known(int fd, const char* kind) const;
    [[nodiscard]] detail::simulated_listener* listener_for(
        const detail::simulated_address& dialled);
    [[nodiscard]] bool swallows(const detail::simulated_address& dialled) const {
        return dialled.is_inet() && black_holes_.contains(dialled.port());
    }
    [[nodiscard]] detail::io_result connect_stream(detail::simulated_stream& client,
                                                   const detail::simulated_address& dialled);
    // Names of sockets (simulated_names.cpp).
    [[nodiscard]] int bind_name(int fd, detail::simulated_address name);
    [[nodiscard]] bool is_taken(const object& asker, const detail::simulated_address& name) const;
    [[nodiscard]] std::uint16_t free_port(const object& asker,
                                          detail::simulated_address name) const;
    [[nodiscard]] detail::simulated_address client_name(const detail::simulated_address& dialled);
    [[nodiscard]] int start_listening(int fd, int backlog);
    [[nodiscard]] std::shared_ptr<object> at_path(std::string_view path) const;
    /// Whether there was a unix socket of that path.
    bool forget_path(std::string_view path);
    /// Books a sentence on what this kernel will not do, to be found in the run's report.
    void refuse(std::string sentence);
    void wake_parked(object& changed);
    void restart(std::uint64_t number);

    // Time and order (simulated_kernel.cpp).
    void submit(const io_uring_sqe& sqe);
    void schedule(request& which, instant at);
    void unschedule(request& which);
    [[nodiscard]] instant delay();
    [[nodiscard]] instant next_event() const noexcept;
    [[nodiscard]] bool anything_due() const noexcept;
    void advance_to(instant when);
    void run_due();
    void run_one(std::uint64_t number);
    [[nodiscard]] bool run_actions();
    [[nodiscard]] bool has_completions() const noexcept { return !completions_.empty(); }
    [[nodiscard]] bool overflowed() const noexcept { return !overflow_.empty(); }
    std::size_t reap(std::span<completion> out) noexcept;
    void flush_overflow();

    // Requests (simulated_requests.cpp, simulated_transfers.cpp, simulated_paths.cpp,
    // simulated_cancel.cpp).
    [[nodiscard]] std::int32_t import(request& fresh);
    [[nodiscard]] std::int32_t refuse_foreign(const io_uring_sqe& sqe);
    [[nodiscard]] std::int32_t import_memory(request& fresh);
    [[nodiscard]] std::int32_t import_path(request& fresh);
    [[nodiscard]] const injection* injected(std::uint8_t opcode);
    void park(request& which);
    [[nodiscard]] step attempt(request& which);
    [[nodiscard]] step transfer_in(request& which);
    [[nodiscard]] step settle_in(request& which, detail::io_result result, bool whole,
                                 std::uint32_t flags);
    [[nodiscard]] step transfer_out(request& which);
    [[nodiscard]] step deliver(request& which, std::int32_t result, std::uint32_t flags);
    [[nodiscard]] step attempt_accept(request& which);
    [[nodiscard]] step attempt_connect(request& which);
    [[nodiscard]] step attempt_poll(request& which);
    [[nodiscard]] std::int32_t attempt_path(const request& which);
    [[nodiscard]] std::int32_t open_path(const request& which);
    [[nodiscard]] std::size_t shortened(std::size_t size);
    [[nodiscard]] bool could_finish(const request& which) const;
    void attempt_cancel(request& cancel);
    [[nodiscard]] std::int32_t cancel_one(request& target);
    void end(request& which, std::int32_t result, instant at);
    void post(const request& which, std::int32_t result, std::uint32_t flags);
    [[nodiscard]] step finish(request& which, std::int32_t result, std::uint32_t flags = 0);

    simulated_options options_;
    leakcheck::choices choices_;
    kernel_features features_;
    instant now_ = 0;
    std::uint64_t last_number_ = 0;
    std::map<int, std::shared_ptr<object>> table_;
    std::set<std::uint16_t> black_holes_;
    std::map<std::string, std::weak_ptr<object>, std::less<>> paths_;  // of unix sockets
    std::uint16_t last_port_ = 49'999;                                 // that connect chose
    std::map<std::uint64_t, rf::detail::owned<request>> pending_;      // by number
    std::set<std::pair<instant, std::uint64_t>> queue_;                // what happens later
    std::vector<std::uint64_t> ready_;                                 // what is due, in no order
    std::multimap<instant, std::function<void()>> actions_;
    std::map<std::uint16_t, detail::simulated_buffer_group> groups_;
    std::vector<injection> injections_;
    std::map<std::uint8_t, std::uint64_t> submitted_;
    std::deque<completion> completions_;  // at most options_.cq_entries
    std::deque<completion> overflow_;     // what the completion queue had no room for
};

}  // namespace rf::leakcheck
