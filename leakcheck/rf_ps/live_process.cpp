// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/rf_ps/live_process.hpp>

#include <ringfence/leakcheck/rf_ps/refusal.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <pwd.h>
#include <sys/uio.h>
#include <unistd.h>

namespace rf::leakcheck::rf_ps {
namespace {

[[nodiscard]] std::string link_target(const std::string& path) {
    std::string target(4096, '\0');
    const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
    target.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
    return target;
}

[[nodiscard]] std::string user_words(uid_t user) {
    const passwd* known = ::getpwuid(user);
    return known != nullptr ? std::string(known->pw_name) : fmt::format("{}", user);
}

// Of the line that begins with `word`; empty if there is none.
[[nodiscard]] std::string status_of(pid_t pid, std::string_view word) {
    std::ifstream status(fmt::format("/proc/{}/status", pid));
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(word)) return line.substr(word.size());
    return {};
}

[[nodiscard]] uid_t user_of(pid_t pid) {
    const std::string text = status_of(pid, "Uid:");
    return static_cast<uid_t>(std::strtoul(text.c_str(), nullptr, 10));
}

}  // namespace

live_process::live_process(pid_t pid) : pid_(pid), words_(fmt::format("process {}", pid)) {
    const std::string folder = fmt::format("/proc/{}", pid);
    if (::access(folder.c_str(), F_OK) != 0)
        throw refusal(fmt::format("there is no process {}: it has ended, or never was", pid));
    program_ = link_target(folder + "/exe");
    if (!program_.empty()) words_ += fmt::format(" ({})", program_);
    errno = 0;
    std::FILE* maps = std::fopen((folder + "/maps").c_str(), "re");
    if (maps == nullptr) refuse_reading(errno == ENOENT ? ESRCH : errno);
    char line[4400];
    while (std::fgets(line, sizeof line, maps) != nullptr) {
        mapping one;
        char rights[5] = {};
        int path_at = 0;
        unsigned long inode = 0;
        if (std::sscanf(line, "%lx-%lx %4s %lx %*s %lu %n", &one.begin, &one.end, rights,
                        &one.offset, &inode, &path_at) < 5)
            continue;
        one.file = line + path_at;
        if (!one.file.empty() && one.file.back() == '\n') one.file.pop_back();
        if (inode == 0 || !one.file.starts_with('/')) continue;
        one.writable = rights[1] == 'w';
        // Reached through the process, the executable is there even if it was replaced, and files
        // are those of its own root.
        one.file = one.file == program_ ? folder + "/exe" : folder + "/root" + one.file;
        mappings_.push_back(std::move(one));
    }
    // An error shows only here if the process was looked at and then changed hands.
    const bool failed = std::ferror(maps) != 0;
    const int error = errno;
    std::fclose(maps);
    if (failed) refuse_reading(error);
    put_first(mappings_, folder + "/exe");
    if (!mappings_.empty()) return;
    if (status_of(pid, "State:").find('Z') != std::string::npos)
        throw refusal(fmt::format("process {} has ended; its parent has not asked for its status "
                                  "yet, and nothing else is left of it",
                                  pid));
    // Between its end and that, it is a process without memory too.
    if (pid != 2 && status_of(pid, "PPid:") != "\t2") refuse_reading(ESRCH);
    throw refusal(fmt::format("process {} runs no program: it is a thread of the kernel", pid));
}

bool live_process::read(address from, void* into, std::size_t bytes) const {
    const iovec here{into, bytes};
    const iovec there{reinterpret_cast<void*>(from), bytes};  // NOLINT(*-int-to-ptr)
    const ssize_t got = ::process_vm_readv(pid_, &here, 1, &there, 1, 0);
    if (got == static_cast<ssize_t>(bytes)) return true;
    if (got < 0 && errno != EFAULT) refuse_reading(errno);
    return false;
}

void live_process::refuse_reading(int error) const {
    if (error == ESRCH) throw refusal(fmt::format("{} ended while it was looked at", words_));
    if (error != EPERM && error != EACCES)
        throw refusal(fmt::format("{} cannot be read: {}", words_, std::strerror(error)));
    const uid_t owner = user_of(pid_);
    if (owner != ::geteuid())
        throw forbidden(fmt::format("{} is of user {}, and you are {}: run rf-ps as {}root", words_,
                                    user_words(owner), user_words(::geteuid()),
                                    owner == 0 ? "" : user_words(owner) + " or as "));
    throw forbidden(fmt::format(
        "{} is yours, but the kernel does not let you read it: run rf-ps as root, with the "
        "capability SYS_PTRACE, or after `sysctl kernel.yama.ptrace_scope=0`; programs that "
        "changed their user are closed to all but root",
        words_));
}

}  // namespace rf::leakcheck::rf_ps
