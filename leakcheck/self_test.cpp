// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/self_test.hpp>

#include <ringfence/leakcheck/bubble.hpp>
#include <ringfence/leakcheck/cancel_points.hpp>
#include <ringfence/leakcheck/kernel_view.hpp>
#include <ringfence/leakcheck/leak_guard.hpp>
#include <ringfence/leakcheck/process_state.hpp>
#include <ringfence/leakcheck/resource_table.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/detail/io_uring.hpp>
#include <ringfence/runtime/frame_pool.hpp>
#include <ringfence/runtime/ledger.hpp>
#include <ringfence/runtime/offload.hpp>
#include <ringfence/runtime/operation.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/uring_requests.hpp>
#include <ringfence/runtime/waiter.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <fcntl.h>
#include <functional>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

namespace rf::leakcheck {
namespace {

using found_list = std::vector<planted_leak>;

bool has(const std::string& text, std::string_view words) { return text.find(words) != text.npos; }

/// A wait for a task, or for nobody, that only a cancel ends.
class planted_wait final : public waiter {
public:
    explicit planted_wait(std::uint64_t task, bool holds = false) noexcept
        : for_(task), holds_(holds) {}
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept { (void)enter(); }
    void await_resume() const noexcept {}
    [[nodiscard]] cancel_outcome cancel() noexcept override { return cancel_outcome::removed; }
    void describe(wait_description& out) const override {
        out.kind = "planted";
        out.what = "what never comes";
        out.owner_task = for_;
    }
    void owners(wait_owners& out) const override {
        if (for_ == 0)
            out.anybody();
        else
            holds_ ? out.holder(for_) : out.task(for_);
    }

private:
    std::uint64_t for_;
    bool holds_;
};

/// A byte that never comes, from a descriptor of the simulated kernel.
class planted_request final : public waiter, operation {
public:
    explicit planted_request(int fd) noexcept : fd_(fd) {}
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) {
        if (enter()) rf::detail::prep::recv(submit(), fd_, &byte_, 1);
    }
    void await_resume() const noexcept {}
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        request_cancel();
        return cancel_outcome::pending;
    }
    void describe(wait_description& out) const override {
        out.kind = "io";
        out.what = "a byte that never comes";
    }
    void owners(wait_owners& out) const override { out.outside(); }

private:
    void on_completion(std::int32_t, std::uint32_t) noexcept override {}
    void on_retired() noexcept override { unwind(); }

    int fd_;
    char byte_ = 0;
};

/// Says that a receive buffer is out, taken by the task that made it.
class planted_buffer final : public loop_service {
public:
    explicit planted_buffer(loop&)
        : task_(this_task::id()), guard_(rf::detail::slot.current->guard) {}
    void list_resources(const resource_visitor& visit) const override {
        resource one;
        one.kind = resource_kind::ring_buffer;
        one.name = "planted";
        one.number = 1;
        one.task_id = task_;
        one.guard = guard_;
        visit(one);
    }

private:
    std::uint64_t task_;
    std::uint32_t guard_;
};

task<> sleep_for_two_seconds() { co_await sleep_for(std::chrono::seconds(2)); }
task<> wait_for_task(std::uint64_t number) { co_await planted_wait(number); }
task<> wait_for_holder(std::uint64_t number) { co_await planted_wait(number, true); }
task<> ask_for_byte(int fd) { co_await planted_request(fd); }
task<> sleep_shielded() { co_await shield(std::chrono::seconds(10), sleep_for_two_seconds); }
task<> sleep_on() { co_await sleep_for(std::chrono::hours(1)); }
task<> nothing() { co_return; }

/// A loop in virtual time for what is planted on it; everything is cancelled at the end.
void on_a_loop(const std::function<task<>(nursery&)>& plant) {
    const bubble_report report = bubble([&plant]() -> task<> {
        co_await with_nursery([&plant](nursery& jobs) -> task<> {
            co_await plant(jobs);
            jobs.cancel("the plants are pulled out");
        });
    });
    (void)report;  // what the plants themselves say is what counts
}

void plant_on_scope(found_list& found) {
    on_a_loop([&found](nursery& jobs) -> task<> {
        leak_guard guard;
        jobs.spawn(sleep_on);
        co_await this_task::yield();
        (void)loop::here().service<planted_buffer>();
        descriptor_entry entry;
        entry.open(2'000'000, "planted");
        const std::string said = guard.findings();
        const std::string books = kernel_reconciliation().findings();
        descriptor_entry twice;
        twice.open(2'000'000, "planted");
        const std::string doubled = kernel_reconciliation().findings();
        twice.close();
        entry.close();
        loop::here().ledger().closed_twice(entry, 2'000'000);
        const std::string closed = kernel_reconciliation().findings();
        loop::here().ledger().clear_faults();
        found.push_back({"task", has(said, "sleep_on"), said});
        found.push_back({"ring buffer", has(said, "ring buffer 1 (planted)"), said});
        found.push_back({"timer", has(said, "timer (sleep)"), said});
        found.push_back({"descriptor", has(said, "descriptor 2000000 (planted)"), said});
        found.push_back({"descriptor owned twice",
                         books.empty() && has(doubled, "another object still owns"), doubled});
        found.push_back({"double close", has(closed, "closed by somebody else"), closed});
    });
}

void plant_on_graph(found_list& found) {
    on_a_loop([&found](nursery& jobs) -> task<> {
        // The numbers of tasks follow each other: the first waits for the second, and it for the
        // first; the third has ended before the fourth waits for it.
        const std::uint64_t next = loop::here().last_task_id() + 1;
        jobs.spawn(wait_for_task, next + 1);
        jobs.spawn(wait_for_task, next);
        jobs.spawn(nothing);
        jobs.spawn(wait_for_task, next + 2);
        co_await sleep_for(std::chrono::seconds(1));
        wait_graph_options options;
        options.age_max = std::chrono::milliseconds(1);
        jobs.spawn(sleep_on);
        co_await sleep_for(std::chrono::seconds(1));
        const wait_graph graph(options);
        const std::string said = graph.report();
        found.push_back({"deadlock cycle", has(said, "PROVEN cycle: 2 tasks"), said});
        found.push_back({"orphan", has(said, "PROVEN orphan"), said});
        found.push_back({"task that waits too long", has(said, "suspect too old"), said});
    });
}

void plant_suspects(found_list& found) {
    on_a_loop([&found](nursery& jobs) -> task<> {
        const std::uint64_t next = loop::here().last_task_id() + 1;
        jobs.spawn(nothing);
        jobs.spawn(wait_for_holder, next);
        jobs.spawn([]() -> task<> {
            co_await with_nursery([](nursery& inner) -> task<> {
                inner.spawn(sleep_shielded);
                co_await this_task::yield();
                inner.cancel("planted");
            });
        });
        co_await sleep_for(std::chrono::milliseconds(1500));
        const std::string said = wait_graph().report();
        found.push_back({"holder that is gone", has(said, "suspect holder gone"), said});
        found.push_back({"late unwinding", has(said, "suspect unwinds late"), said});
    });
}

void plant_request(found_list& found) {
    on_a_loop([&found](nursery& jobs) -> task<> {
        const auto ends = simulated_kernel::here().make_stream_pair();
        jobs.spawn(ask_for_byte, ends.first);
        co_await this_task::yield();
        const std::string said = resource_table().describe();
        found.push_back({"operation",
                         has(said, "operation (request) opened at") && has(said, "ask_for_byte"),
                         said});
        (void)simulated_kernel::here().close_now(ends.first);
        (void)simulated_kernel::here().close_now(ends.second);
    });
}

void plant_on_run(found_list& found) {
    const auto failure_of = [](task<> (*fn)()) { return bubble(fn).failure; };
    std::string said = failure_of([]() -> task<> { co_await planted_wait(0); });
    found.push_back({"deadlock of all", has(said, "PROVEN quiescent"), said});

    said = failure_of([]() -> task<> {
        (void)simulated_kernel::here().make_eventfd();
        co_return;
    });
    found.push_back({"descriptor of the kernel", has(said, "descriptors were left open"), said});

    said = for_each_cancel_point([]() -> task<> {
               const int fd = simulated_kernel::here().make_eventfd();
               co_await sleep_for(std::chrono::seconds(1));
               (void)simulated_kernel::here().close_now(fd);
           }).failure;
    found.push_back({"leak on cancellation", has(said, "cancelled at await 0"), said});
}

void plant_on_process(found_list& found) {
    const process_state before = process_state::now();
    const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    void* const frame = frame_pool::allocate(64);
    const std::string said = before.difference_to(process_state::now());
    frame_pool::release(frame, 64);
    if (fd >= 0) ::close(fd);
    found.push_back({"descriptor of the process", has(said, "left open: descriptor"), said});
    found.push_back({"coroutine frame", has(said, "blocks of the frame pool"), said});
}

/// What the reconciliation says of a ring of which the kernel would say `fdinfo`.
std::string said_of(std::string_view fdinfo) {
    ring_view view;
    return view.parse(fdinfo) ? kernel_reconciliation::compare(view, accounting{}) : std::string();
}

/// Registers one thing with the ring of the loop behind its back, and takes it back. Returns what
/// was said in between; `otherwise` if the kernel does not allow it.
std::string plant_registration(unsigned add, unsigned remove, const void* one,
                               std::string otherwise) {
    const int ring = loop::here().kernel().ring_descriptor();
    if (::syscall(__NR_io_uring_register, ring, add, one, 1) < 0) return otherwise;
    std::string said = kernel_reconciliation().findings();
    (void)::syscall(__NR_io_uring_register, ring, remove, nullptr, 0);
    if (has(kernel_reconciliation().findings(), "registered")) said.clear();  // says it of any ring
    return said;
}

void plant_on_ring(found_list& found) {
    const std::string said = said_of("CqHead:\t0\nCqTail:\t1\nPollList:\n"
                                     "  op=22, task_works=0\n  op=27, task_works=0\n"
                                     "CqOverflowList:\n  user_data=7, res=0, flags=0\n");
    found.push_back(
        {"operation unknown to the loop", has(said, "1 requests wait in the kernel"), said});
    found.push_back({"completion nobody takes", has(said, "completions wait"), said});
    found.push_back({"overflow", has(said, "overflowed"), said});

    // What follows is planted on a real ring. Where there is none, the kernel's words have to do.
    std::string buffer = said_of("CqTail:\t0\nUserBufs:\t1\n    0: 0x7f0388af1000/4096\n");
    std::string file = said_of("CqTail:\t0\nUserFiles:\t1\n    0: pipe:[4711]\n");
    const int fd = ::eventfd(0, EFD_CLOEXEC);
    run_options quiet;
    quiet.dump_on_quit = false;
    quiet.ring.entries = 8;
    (void)run_and_report(
        [&]() -> task<> {
            alignas(4096) static char page[4096];
            const iovec memory{page, sizeof page};
            buffer = plant_registration(IORING_REGISTER_BUFFERS, IORING_UNREGISTER_BUFFERS, &memory,
                                        std::move(buffer));
            file = plant_registration(IORING_REGISTER_FILES, IORING_UNREGISTER_FILES, &fd,
                                      std::move(file));
            co_return;
        },
        quiet);
    if (fd >= 0) ::close(fd);
    found.push_back({"registered buffer", has(buffer, "1 registered buffers"), buffer});
    found.push_back({"registered file", has(file, "slot 0 of the ring's registered files"), file});
}

void plant_on_threads(found_list& found) {
    on_a_loop([&found](nursery& jobs) -> task<> {
        std::atomic<bool> release{false};
        leak_guard guard;
        jobs.spawn([&release]() -> task<> {
            co_await offload("planted", [&release] { release.wait(false); });
        });
        co_await this_task::yield();
        const std::string said = guard.findings();
        found.push_back({"offload job", has(said, "offload job"), said});
        release = true;
        release.notify_all();
        co_await sleep_for(std::chrono::seconds(1));
    });
}

}  // namespace

bool self_test_report::ok() const noexcept {
    return !planted.empty() &&
           std::ranges::all_of(planted, [](const planted_leak& one) { return one.found; });
}

std::string self_test_report::text() const {
    std::string all;
    for (const planted_leak& one : planted)
        all += fmt::format("{}: {}{}\n", one.what,
                           one.found ? "found" : "NOT FOUND, although planted; the detector said: ",
                           one.found ? "" : one.said);
    return all;
}

self_test_report self_test() {
    self_test_report report;
    plant_on_scope(report.planted);
    plant_on_graph(report.planted);
    plant_suspects(report.planted);
    plant_request(report.planted);
    plant_on_run(report.planted);
    plant_on_process(report.planted);
    plant_on_ring(report.planted);
    plant_on_threads(report.planted);
    return report;
}

}  // namespace rf::leakcheck
