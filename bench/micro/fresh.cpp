// SPDX-License-Identifier: MIT
#include "fresh.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <spawn.h>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace micro {

namespace {
[[noreturn]] void give_up(const char* what, int error) {
    std::fprintf(stderr, "micro: cannot %s: %s\n", what, std::strerror(error));
    std::exit(1);
}
}  // namespace

long resident_bytes(pid_t process) {
    const std::string name = process == 0 ? "self" : std::to_string(process);
    std::ifstream file("/proc/" + name + "/statm");
    long pages = 0;
    long resident = 0;
    if (!(file >> pages >> resident)) give_up("read /proc/PID/statm", errno);
    return resident * ::sysconf(_SC_PAGESIZE);
}

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

fresh::fresh(const char* role, long count) {
    int ends[2];
    if (::pipe(ends) != 0) give_up("make a pipe", errno);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    std::string number = std::to_string(count);
    std::string name = role;
    std::string flag = "--fresh";
    std::string program = "/proc/self/exe";
    char* arguments[] = {program.data(), flag.data(), name.data(), number.data(), nullptr};
    const int failed = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) give_up("run this program anew", failed);
    ::close(ends[1]);
    output_ = ends[0];
}

fresh::~fresh() {
    if (pid_ > 0) stop();
    ::close(output_);
}

double fresh::read_number() {
    std::string line;
    char byte = 0;
    while (::read(output_, &byte, 1) == 1 && byte != '\n')
        line += byte;
    char* end = nullptr;
    const double value = std::strtod(line.c_str(), &end);
    if (end == line.c_str()) {
        std::fprintf(stderr, "micro: a process of its own printed '%s', not a number\n",
                     line.c_str());
        std::exit(1);
    }
    return value;
}

void fresh::stop() {
    ::kill(pid_, SIGTERM);
    wait();
}

void fresh::wait() {
    int status = 0;
    if (::waitpid(pid_, &status, 0) != pid_) give_up("wait for a process", errno);
    pid_ = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    std::fprintf(stderr, "micro: a process of its own failed\n");
    std::exit(1);
}

}  // namespace micro
