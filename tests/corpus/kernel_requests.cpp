// SPDX-License-Identifier: MIT
// What requests to the kernel leave: connections, the receives that stay armed on them, buffers of
// the ring, jobs on other threads, and waits that the kernel will never end.
#include "tests/corpus/kernel.hpp"
#include "tests/corpus/stream_pair.hpp"
#include <ringfence/io/buffer_pool.hpp>
#include <ringfence/runtime/from_callback.hpp>
#include <ringfence/runtime/offload.hpp>
#include <ringfence/runtime/operation.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/uring_abi.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace rf::corpus {
namespace {

using io::unix_stream;

struct multishot_receive_left_armed final : kernel {
    std::vector<unix_stream> sessions;

    task<> handle() {
        mark("descriptor");
        auto ends = co_await stream_pair(simulated());
        (void)co_await ends.second.write_all("hello");
        (void)co_await ends.first.read();  // arms a receive that stays
        if (buggy()) sessions.push_back(std::move(ends.first));
    }
    task<> main() override {
        spawn("handler", &multishot_receive_left_armed::handle);
        co_return;
    }
};

struct provided_buffer_not_returned final : kernel {
    std::vector<io::chunk> history;

    task<> handle() {
        auto ends = co_await stream_pair(simulated());
        (void)co_await ends.second.write_all("hello");
        mark("ring");
        auto got = co_await ends.first.read();
        if (buggy()) history.push_back(std::move(got));
    }
    task<> main() override {
        spawn("handler", &provided_buffer_not_returned::handle);
        co_return;
    }
};

struct both_ends_wait_to_read final : kernel {
    task<> talk(unix_stream peer, bool speaks_first) {
        if (speaks_first) (void)co_await peer.write_all("hello");
        mark();
        (void)co_await peer.read();
        if (!speaks_first) (void)co_await peer.write_all("hello");
    }
    task<> main() override {
        auto ends = co_await stream_pair(simulated());
        spawn("client", &both_ends_wait_to_read::talk, std::move(ends.first), fixed());
        spawn("server", &both_ends_wait_to_read::talk, std::move(ends.second), false);
    }
};

struct both_ends_write_first final : kernel {
    std::string page = std::string(1 << 20, 'x');

    task<> exchange(unix_stream peer, bool reads_first) {
        for (std::size_t got = 0; reads_first && got < page.size();) {
            auto chunk = co_await peer.read();
            got += chunk.size();
        }
        mark();
        (void)co_await peer.write_all(page);
        for (std::size_t got = 0; !reads_first && got < page.size();) {
            auto chunk = co_await peer.read();
            got += chunk.size();
        }
    }
    task<> main() override {
        auto ends = co_await stream_pair(simulated());
        spawn("left", &both_ends_write_first::exchange, std::move(ends.first), false);
        spawn("right", &both_ends_write_first::exchange, std::move(ends.second), fixed());
    }
};

struct half_close_forgotten final : kernel {
    task<> client(unix_stream peer) {
        (void)co_await peer.write_all("request");
        if (fixed()) co_await peer.shutdown_write();
        mark();
        (void)co_await peer.read();
    }
    task<> server(unix_stream peer) {
        for (;;) {  // the request ends where the stream does
            mark();
            auto part = co_await peer.read();
            if (!part) break;
        }
        (void)co_await peer.write_all("answer");
    }
    task<> main() override {
        auto ends = co_await stream_pair(simulated());
        spawn("client", &half_close_forgotten::client, std::move(ends.first));
        spawn("server", &half_close_forgotten::server, std::move(ends.second));
    }
};

struct other_end_kept_open final : kernel {
    std::vector<unix_stream> idle;

    task<> drain(unix_stream peer) {
        for (;;) {
            mark();
            auto part = co_await peer.read();
            if (!part) co_return;
        }
    }
    task<> main() override {
        auto ends = co_await stream_pair(simulated());
        spawn("drainer", &other_end_kept_open::drain, std::move(ends.first));
        if (buggy()) idle.push_back(std::move(ends.second));
    }
};

struct read_from_a_silent_peer final : kernel {
    std::optional<unix_stream> silent;

    task<> fetch(unix_stream peer) {
        if (fixed()) {
            (void)co_await move_on_after(1s, peer.read());
            co_return;
        }
        mark();
        (void)co_await peer.read();
    }
    task<> main() override {
        auto ends = co_await stream_pair(simulated());
        silent = std::move(ends.second);
        spawn("fetcher", &read_from_a_silent_peer::fetch, std::move(ends.first));
        while (!fixed())
            co_await sleep_for(10min);
        co_await sleep_for(2s);
        silent.reset();
    }
};

struct offload_job_unjoined final : kernel {
    std::atomic<bool> release{false};

    ~offload_job_unjoined() override { let_the_thread_go(); }
    void let_the_thread_go() {
        release = true;
        release.notify_all();
    }
    task<> compute() {
        mark("offload"), mark();
        co_await offload("table", [this] { release.wait(false); });
    }
    task<> main() override {
        spawn("computer", &offload_job_unjoined::compute);
        co_await this_task::yield();
        if (fixed()) let_the_thread_go();
    }
    void inspected() override { let_the_thread_go(); }
};

struct callback_never_called final : kernel {
    std::vector<completer<int>> registered;

    task<> ask() {
        auto start = [this](completer<int> done) {
            if (fixed())
                done.complete(1);
            else
                registered.push_back(std::move(done));
        };
        mark();
        (void)co_await from_callback<int>(start);
    }
    task<> main() override {
        spawn("asker", &callback_never_called::ask);
        co_return;
    }
    void inspected() override { registered.clear(); }
};

/// A request with two completions, as a zero-copy send has: the second, which says that the memory
/// is free again, comes when the other side has let go. A poll that goes on, so that both kernels
/// know it.
class notified_request final : public waiter, operation {
public:
    notified_request(int fd, bool other_side_lets_go) noexcept
        : fd_(fd), lets_go_(other_side_lets_go) {}
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (enter()) rf::detail::prep::poll_multishot(submit(), fd_, POLLOUT);
    }
    void await_resume() const noexcept {}
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        cancelled_ = true;
        request_cancel();
        return cancel_outcome::pending;
    }
    void describe(wait_description& out) const override {
        out.kind = "io";
        out.what = "the notification of a zero-copy send";
    }
    void owners(wait_owners& out) const override { out.outside(); }

private:
    void on_completion(std::int32_t, std::uint32_t) noexcept override {
        if (lets_go_) request_cancel();
    }
    void on_retired() noexcept override { cancelled_ ? unwind() : resume(); }

    int fd_;
    bool lets_go_;
    bool cancelled_ = false;
};

struct zero_copy_notification_outstanding final : kernel {
    task<> send() {
        auto ends = co_await stream_pair(simulated());
        mark();
        co_await notified_request(ends.first.native_handle(), fixed());
    }
    task<> main() override {
        spawn("sender", &zero_copy_notification_outstanding::send);
        co_return;
    }
};

/// Registers one slot of `kind` with the ring, and takes it back when all is well.
template <unsigned Register, unsigned Unregister>
struct registered_slot_leaked final : kernel {
    task<> use() {
        const int ring = loop::here().kernel().ring_descriptor();
        const auto done = ::syscall(__NR_io_uring_register, ring, Register, argument(), 1);
        RF_ASSERT(done == 0, "the ring takes no registration");
        co_await this_task::yield();
        if (fixed()) ::syscall(__NR_io_uring_register, ring, Unregister, nullptr, 0);
    }
    task<> main() override {
        spawn("user", &registered_slot_leaked::use);
        co_return;
    }

private:
    [[nodiscard]] const void* argument() const noexcept {
        if constexpr (Register == IORING_REGISTER_FILES)
            return &file_;
        else
            return &buffer_;
    }
    int file_ = 0;
    alignas(4096) char memory_[4096];
    iovec buffer_{memory_, sizeof memory_};
};
using registered_file_leaked =
    registered_slot_leaked<IORING_REGISTER_FILES, IORING_UNREGISTER_FILES>;
using registered_buffer_leaked =
    registered_slot_leaked<IORING_REGISTER_BUFFERS, IORING_UNREGISTER_BUFFERS>;

}  // namespace

entries kernel_requests() {
    constexpr const char* left = "ring / left over";
    constexpr const char* never = "ring / never completes";
    constexpr structure found = structure::detected;
    return {
        {"multishot_receive_left_armed", left, make<multishot_receive_left_armed>, "descriptor"},
        {"provided_buffer_not_returned", left, make<provided_buffer_not_returned>, "ring"},
        {"both_ends_wait_to_read", never, make<both_ends_wait_to_read>, "client server", found,
         method::simulate},
        {"both_ends_write_first", never, make<both_ends_write_first>, "left right", found,
         method::simulate},
        {"half_close_forgotten", never, make<half_close_forgotten>, "client server", found,
         method::simulate},
        {"other_end_kept_open", never, make<other_end_kept_open>, "drainer", found,
         method::simulate},
        {"read_from_a_silent_peer", never, make<read_from_a_silent_peer>, "fetcher", found,
         method::inspect},
        {"zero_copy_notification_outstanding", never, make<zero_copy_notification_outstanding>,
         "sender", found, method::simulate},
        // The books count slots and know no lines: there is nobody to be named.
        {"registered_file_leaked", left, make<registered_file_leaked>, "", found, method::real},
        {"registered_buffer_leaked", left, make<registered_buffer_leaked>, "", found, method::real},
        {"offload_job_unjoined", left, make<offload_job_unjoined>, "offload computer", found,
         method::inspect},
        {"callback_never_called", never, make<callback_never_called>, "asker", found,
         method::inspect},
    };
}

}  // namespace rf::corpus
