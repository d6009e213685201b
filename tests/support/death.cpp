// SPDX-License-Identifier: MIT
#include "tests/support/death.hpp"
#include <ringfence/runtime/assert.hpp>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/// Of LeakSanitizer, where the program is built with it.
extern "C" void __lsan_disable() __attribute__((weak));

namespace rf::test {
namespace {

using steady = std::chrono::steady_clock;

[[noreturn]] void live(const std::function<void()>& fn, int output) {
    const rlimit none{};
    (void)::setrlimit(RLIMIT_CORE, &none);
    (void)::dup2(output, STDERR_FILENO);
    ::close(output);
    // What dies, or exits in the midst of its work, gives nothing back.
    if (&__lsan_disable != nullptr) __lsan_disable();
    // The test program's own handlers would report the signal as a failure of the test.
    for (const int number : {SIGABRT, SIGSEGV, SIGFPE, SIGILL, SIGTERM, SIGINT})
        (void)std::signal(number, SIG_DFL);
    RF_TRY { fn(); }
    RF_CATCH(...) {
        std::fputs("an exception left the child's function\n", stderr);
        std::fflush(nullptr);
        ::_exit(99);
    }
    std::fflush(nullptr);
    ::_exit(0);
}

/// Reads until the end of the pipe or `until`. False if that came first.
bool listen_to(int pipe, steady::time_point until, std::string& said) {
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - steady::now()).count();
        if (left <= 0) return false;
        pollfd wanted{.fd = pipe, .events = POLLIN, .revents = 0};
        if (::poll(&wanted, 1, static_cast<int>(left)) <= 0) continue;
        char text[4096];
        const ssize_t size = ::read(pipe, text, sizeof text);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return true;
        said.append(text, static_cast<std::size_t>(size));
    }
}

}  // namespace

death run_to_death(const std::function<void()>& fn, std::chrono::milliseconds limit) {
    int ends[2] = {-1, -1};
    const int error = ::pipe2(ends, O_CLOEXEC);
    RF_ASSERT(error == 0, "no pipe to a child process");
    std::fflush(nullptr);
    const pid_t child = ::fork();
    RF_ASSERT(child >= 0, "no child process");
    if (child == 0) {
        ::close(ends[0]);
        live(fn, ends[1]);
    }
    ::close(ends[1]);
    death end;
    end.timed_out = !listen_to(ends[0], steady::now() + limit, end.said);
    if (end.timed_out) (void)::kill(child, SIGKILL);
    ::close(ends[0]);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status)) end.status = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
    return end;
}

}  // namespace rf::test
