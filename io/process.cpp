// SPDX-License-Identifier: MIT
#include <ringfence/io/process.hpp>

#include <ringfence/io/error_table.hpp>
#include <ringfence/runtime/scope_guard.hpp>
#include <ringfence/runtime/timeout.hpp>

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace rf::io {
namespace {

[[noreturn]] void fail(int code, const std::string& about) {
    throw_failure(request_kind::spawn, "start process", code, about);
}

/// A descriptor for as long as this process needs it.
class held_fd {
public:
    held_fd() noexcept = default;
    explicit held_fd(int fd) noexcept : fd_(fd) {}
    held_fd(held_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    held_fd& operator=(held_fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~held_fd() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_ = -1;
};

/// The two ends of one standard descriptor: the child's, above 2, and ours.
struct channel {
    held_fd child;
    held_fd ours;
};

// The child's ends are copies above 2, so that moving one to its place never overwrites another.
held_fd copy_above_stdio(int fd, const std::string& program) {
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) fail(errno, program);
    return held_fd(copy);
}

channel open_channel(const stdio& wanted, int target, const std::string& program) {
    channel made;
    const bool is_input = target == STDIN_FILENO;
    switch (wanted.kind()) {
    case stdio::source::inherit: break;
    case stdio::source::descriptor: made.child = copy_above_stdio(wanted.fd(), program); break;
    case stdio::source::null: {
        const held_fd null(::open("/dev/null", (is_input ? O_RDONLY : O_WRONLY) | O_CLOEXEC));
        if (null.get() < 0) fail(errno, "/dev/null");
        made.child = copy_above_stdio(null.get(), program);
        break;
    }
    case stdio::source::pipe: {
        int fds[2];
        if (::pipe2(fds, O_CLOEXEC) != 0) fail(errno, program);
        const held_fd childs(fds[is_input ? 0 : 1]);
        made.ours = held_fd(fds[is_input ? 1 : 0]);
        made.child = copy_above_stdio(childs.get(), program);
        break;
    }
    }
    return made;
}

/// What posix_spawn is told beside the program.
class spawn_plan {
public:
    spawn_plan() noexcept {
        ::posix_spawn_file_actions_init(&actions_);
        ::posix_spawnattr_init(&attributes_);
    }
    spawn_plan(const spawn_plan&) = delete;
    spawn_plan& operator=(const spawn_plan&) = delete;
    ~spawn_plan() {
        ::posix_spawn_file_actions_destroy(&actions_);
        ::posix_spawnattr_destroy(&attributes_);
    }

    void set(const std::array<channel, 3>& channels, const std::string& directory, bool new_group) {
        for (int target = 0; target < 3; ++target) {
            const int from = channels[static_cast<std::size_t>(target)].child.get();
            if (from >= 0) ::posix_spawn_file_actions_adddup2(&actions_, from, target);
        }
        if (!directory.empty())
            ::posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str());
        // Descriptors that somebody opened without O_CLOEXEC stay here all the same.
        ::posix_spawn_file_actions_addclosefrom_np(&actions_, 3);

        sigset_t none;
        sigset_t all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &all);
        int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
        if (new_group) flags |= POSIX_SPAWN_SETPGROUP;
        ::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
    }

    [[nodiscard]] int start(pid_t& pid, char* const* arguments, char* const* environment) {
        return ::posix_spawnp(&pid, arguments[0], &actions_, &attributes_, arguments, environment);
    }

private:
    posix_spawn_file_actions_t actions_;
    posix_spawnattr_t attributes_;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (const std::string& text : texts)
        result.push_back(const_cast<char*>(text.c_str()));
    result.push_back(nullptr);
    return result;
}

}  // namespace

process process::spawn(const std::vector<std::string>& arguments, const spawn_options& options) {
    RF_ASSERT(!arguments.empty(), "process::spawn needs at least the name of the program");
    const std::string& program = arguments[0];
    const std::string directory(options.directory);
    std::array<channel, 3> channels;
    channels[0] = open_channel(options.input, STDIN_FILENO, program);
    channels[1] = open_channel(options.output, STDOUT_FILENO, program);
    channels[2] = open_channel(options.errors, STDERR_FILENO, program);

    spawn_plan plan;
    plan.set(channels, directory, options.new_group);
    const std::vector<char*> argument_list = pointers(arguments);
    std::vector<char*> environment_list;
    if (options.environment != nullptr) environment_list = pointers(*options.environment);
    pid_t pid = -1;
    const int code = plan.start(pid, argument_list.data(),
                                options.environment != nullptr ? environment_list.data() : environ);
    if (code != 0) {
        // The kernel gives one errno for both; whoever reads it wants to know which.
        if (!directory.empty() && ::access(directory.c_str(), X_OK) != 0)
            fail(errno, fmt::format("\"{}\" in directory \"{}\"", program, directory));
        fail(code, fmt::format("\"{}\"", program));
    }

    process made;
    int pidfd = -1;
    scope_failure end_it([&] {
        ::kill(pid, SIGKILL);
        while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
        }
        if (pidfd >= 0) ::close(pidfd);
    });
    pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (pidfd < 0) fail(errno, fmt::format("\"{}\"", program));
    made.state_ = detail::descriptor_handle<detail::process_state>::make(
        pidfd, pid, options.new_group, std::string(program));
    end_it.dismiss();
    if (channels[0].ours.get() >= 0)
        made.input = pipe_writer::from_descriptor(channels[0].ours.release(), "process input");
    if (channels[1].ours.get() >= 0)
        made.output = pipe_reader::from_descriptor(channels[1].ours.release(), "process output");
    if (channels[2].ours.get() >= 0)
        made.errors = pipe_reader::from_descriptor(channels[2].ours.release(), "process errors");
    return made;
}

task<exit_status> process::terminate(std::chrono::milliseconds grace) {
    kill(SIGTERM);
    const auto ended = co_await move_on_after(grace, wait());
    if (ended) co_return *ended;
    kill(SIGKILL);
    co_return co_await wait();
}

}  // namespace rf::io
