// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/stall_detector.hpp>

#include <ringfence/leakcheck/detail/stall_sample.hpp>
#include <ringfence/leakcheck/detail/stall_watch.hpp>
#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/shard.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <mutex>
#include <pthread.h>
#include <stdexcept>
#include <thread>
#include <unistd.h>
#include <utility>

namespace rf::leakcheck {
namespace {

using namespace std::chrono_literals;

enum class sampling : int { idle, asked, taking, taken };

/// What the handler fills in, on the loop's thread.
struct sampler {
    std::atomic<sampling> state{sampling::idle};
    detail::stall_sample sample;
};

// The detector of this thread's loop, for the handler. Set and cleared by the thread itself.
thread_local constinit sampler* volatile sampler_here = nullptr;

extern "C" void on_stall_signal(int) {
    sampler* const here = sampler_here;
    if (here == nullptr) return;  // it came late, and the detector is gone
    sampling asked = sampling::asked;
    if (!here->state.compare_exchange_strong(asked, sampling::taking)) return;
    const int saved = errno;
    here->sample.take(3);  // this function, and the kernel's way into it and back
    here->state.store(sampling::taken, std::memory_order_release);
    errno = saved;
}

// The handler stays once it is there: a signal may be on its way. It does nothing then.
void install(int signal) {
    struct sigaction action{};
    action.sa_handler = on_stall_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    const int status = ::sigaction(signal, &action, nullptr);
    RF_ASSERT(status == 0, "stall_options::signal is none that can be caught");
}

instant processor_time(clockid_t of) {
    timespec now{};
    if (::clock_gettime(of, &now) != 0) return 0;
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

/// For how long a thread of this process has been ready without running, from the scheduler's own
/// account; 0 where the kernel keeps none.
class put_off_time {
public:
    explicit put_off_time(pid_t thread)
        : file_(::open(fmt::format("/proc/self/task/{}/schedstat", thread).c_str(),
                       O_RDONLY | O_CLOEXEC)) {}
    put_off_time(const put_off_time&) = delete;
    put_off_time& operator=(const put_off_time&) = delete;
    ~put_off_time() {
        if (file_ >= 0) ::close(file_);
    }

    [[nodiscard]] std::chrono::nanoseconds read() const {
        char text[96] = {};
        if (file_ < 0 || ::pread(file_, text, sizeof(text) - 1, 0) <= 0) return 0ns;
        long long ran = 0, waited = 0;
        if (std::sscanf(text, "%lld %lld", &ran, &waited) != 2) return 0ns;
        return std::chrono::nanoseconds(waited);
    }

private:
    int file_;
};

const char* advice_for(const stall& seen) {
    if (seen.on_processor * 2 >= seen.held_for)
        return "it computes: break it up with rf::this_task::yield(), or move it to a thread with "
               "rf::offload";
    return "it sleeps in a call that blocks the thread: use the awaitable of rf::io or rf::sync, "
           "or "
           "move it to a thread with rf::offload";
}

}  // namespace

class stall_detector::watching {
public:
    explicit watching(stall_options options)
        : options_(std::move(options)), loop_(loop::here()), loop_thread_(::pthread_self()),
          watch_(options_.threshold, options_.reports_per_minute), put_off_(::gettid()) {
        RF_ASSERT(sampler_here == nullptr, "this loop has a stall_detector already");
        if (::pthread_getcpuclockid(loop_thread_, &loop_clock_) != 0)
            loop_clock_ = CLOCK_THREAD_CPUTIME_ID;
        sampler_here = &sampler_;
        if (options_.signal != 0) {
            detail::stall_sample::prepare();
            install(options_.signal);
        }
        // Signals for the process are for the program's own threads.
        sigset_t all, before;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        thread_ = std::thread([this] { run(); });
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    watching(const watching&) = delete;
    watching& operator=(const watching&) = delete;
    ~watching() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        changed_.notify_one();
        thread_.join();
        sampler_here = nullptr;
    }

    [[nodiscard]] stall_statistics statistics() const noexcept {
        return {looks_.load(), stalls_.load(), suppressed_.load()};
    }

private:
    void run() {
        (void)::pthread_setname_np(::pthread_self(), "rf-stalls");
        std::unique_lock lock(mutex_);
        while (!changed_.wait_for(lock, watch_.period(), [this] { return stop_; })) {
            lock.unlock();
            look();
            lock.lock();
        }
    }

    void look() {
        const instant now = std::chrono::steady_clock::now().time_since_epoch() / 1ns;
        ++looks_;
        switch (watch_.look(loop_.beat(), now)) {
        case detail::stall_watch::answer::fine: return;
        case detail::stall_watch::answer::begins:
            processor_ = processor_time(loop_clock_);
            put_off_before_ = put_off_.read();
            return;
        case detail::stall_watch::answer::suppressed:
            ++stalls_;
            ++suppressed_;
            return;
        case detail::stall_watch::answer::stall: break;
        }
        // A thread that waits for a processor has been put off for long once it answers.
        const bool sampled = take_sample();
        const std::chrono::nanoseconds put_off = put_off_.read();
        if (!watch_.take_off(put_off - std::exchange(put_off_before_, put_off), now))
            report(watch_.lasted(now), sampled);
        sampler_.state.store(sampling::idle, std::memory_order_release);
    }

    void report(std::chrono::nanoseconds lasted, bool sampled) {
        ++stalls_;
        stall seen;
        seen.shard = rf::detail::shard_index(loop_);
        seen.held_for = lasted;
        seen.on_processor =
            std::min(lasted, std::chrono::nanoseconds(processor_time(loop_clock_) - processor_));
        if (sampled) seen.task = sampler_.sample.task;
        seen.text = fmt::format(
            "{}suspect stall: {} holds the loop for {}, of that {} on the processor\n",
            rf::detail::shard_text(loop_),
            sampled ? sampler_.sample.task_text() : std::string("a task"),
            rf::detail::age_text(lasted.count()), rf::detail::age_text(seen.on_processor.count()));
        if (sampled)
            seen.text += sampler_.sample.stacks_text();
        else if (options_.signal != 0)
            seen.text += "    the thread is inside of the kernel and cannot be asked where\n";
        if (sampled && seen.task == 0) seen.text += "    it has just given the loop back\n";
        seen.text += fmt::format("  advice: {}\n", advice_for(seen));
        if (sampled) seen.text += sampler_.sample.events_text();
        if (options_.on_stall)
            options_.on_stall(seen);
        else
            std::fprintf(stderr, "ringfence: %s", seen.text.c_str());
    }

    /// Asks the loop's thread where it is. False: it did not answer within a tenth of a second.
    bool take_sample() {
        if (options_.signal == 0) return false;
        sampler_.state.store(sampling::asked, std::memory_order_release);
        // The thread is there: it cannot end before it has destroyed the detector.
        if (::pthread_kill(loop_thread_, options_.signal) != 0) return false;
        for (int i = 0; i < 200; ++i) {
            if (sampler_.state.load(std::memory_order_acquire) == sampling::taken) return true;
            std::this_thread::sleep_for(500us);
        }
        sampling asked = sampling::asked;
        if (sampler_.state.compare_exchange_strong(asked, sampling::idle)) return false;
        // The handler has begun, and it only copies: it will be done.
        while (sampler_.state.load(std::memory_order_acquire) != sampling::taken)
            std::this_thread::sleep_for(500us);
        return true;
    }

    stall_options options_;
    const loop& loop_;
    pthread_t loop_thread_;
    clockid_t loop_clock_{};
    detail::stall_watch watch_;
    put_off_time put_off_;
    instant processor_ = 0;  // of the loop's thread, when the beat was first seen
    std::chrono::nanoseconds put_off_before_{};
    sampler sampler_;
    std::atomic<std::uint64_t> looks_{0};
    std::atomic<std::uint64_t> stalls_{0};
    std::atomic<std::uint64_t> suppressed_{0};
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stop_ = false;
    std::thread thread_;
};

stall_detector::stall_detector(stall_options options) {
    if (options.threshold < 1ms)
        RF_THROW(std::invalid_argument(
            fmt::format("leakcheck::stall_detector: a threshold of {} ns; below 1 ms it would find "
                        "the machine's stalls and not the program's",
                        options.threshold.count())));
    watching_ = std::make_unique<watching>(std::move(options));
}

stall_detector::~stall_detector() = default;

stall_statistics stall_detector::statistics() const noexcept { return watching_->statistics(); }

}  // namespace rf::leakcheck
