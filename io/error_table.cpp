// SPDX-License-Identifier: MIT
#include <ringfence/io/error_table.hpp>

#include <ringfence/runtime/assert.hpp>

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <utility>

namespace rf::io {
namespace {

using enum request_kind;
using enum errno_action;

constexpr const char* names[request_kinds] = {
    "accept", "connect", "receive",  "send", "shutdown", "bind", "open",  "read",
    "write",  "sync",    "allocate", "path", "close",    "poll", "spawn",
};

/// Kinds as a set of bits.
using kind_set = std::uint32_t;
constexpr kind_set all = (1U << request_kinds) - 1;
constexpr kind_set set() { return 0; }
template <class... More>
constexpr kind_set set(request_kind first, More... more) {
    return (1U << static_cast<unsigned>(first)) | set(more...);
}
constexpr kind_set sockets = set(accept, connect, receive, send, shutdown, bind);

constexpr const char* raise_nofile =
    "this process is at its limit of open descriptors: raise it with ulimit -n (RLIMIT_NOFILE), or "
    "look for descriptors that are not closed";
constexpr const char* raise_file_max =
    "the whole system is out of open files: raise the sysctl fs.file-max";
constexpr const char* out_of_memory =
    "the kernel is short of memory, or of RLIMIT_MEMLOCK for this user";
constexpr const char* disk_full = "no room is left on the file system";
constexpr const char* over_quota = "the disk quota of this user is used up";
constexpr const char* file_too_big =
    "the file would pass the largest size allowed: RLIMIT_FSIZE (ulimit -f) or the file system's";
constexpr const char* processes = "no more processes: raise RLIMIT_NPROC (ulimit -u) or pids.max";
constexpr const char* watches = "a limit of the system was reached; see the sysctls under fs";
constexpr const char* ports =
    "no local port is free: widen the sysctl net.ipv4.ip_local_port_range, or reuse connections";
constexpr const char* unix_queue = "the receiver's queue is full and the send did not wait";
constexpr const char* port_in_use =
    "something else has it: ss -ltnup shows what; several listeners can share a port if all set "
    "reuse_port; the path of a unix socket stays after a crash and has to be removed";
constexpr const char* not_allowed_to_bind =
    "a port below 1024 needs CAP_NET_BIND_SERVICE, or a lower sysctl "
    "net.ipv4.ip_unprivileged_port_start; a path needs the right to write to its directory";
constexpr const char* not_ours =
    "no interface of this machine has this address; 0.0.0.0 and [::] stand for all";
constexpr const char* no_family = "this kernel lacks the address family: IPv6 may be switched off";
constexpr const char* nobody_listens = "nobody listens there";
constexpr const char* no_answer =
    "nothing came back: the machine is down, or something on the way drops what is sent to it";
constexpr const char* answers_no_more =
    "the peer answers no more: it is down or cut off, and the time to wait for it (give_up_after "
    "of tcp_options, or the system's) is over";
constexpr const char* not_writable =
    "the connection takes no more bytes: the peer has closed it, or this side has shut it down";
constexpr const char* datagram_too_long =
    "the datagram is longer than one can be: 65,507 bytes over IPv4; of a unix socket the limit is "
    "its send buffer";
constexpr const char* stopped =
    "the listener was stopped, as serve() does when it drains: it takes no more connections; bind "
    "a new one";
constexpr const char* not_open =
    "the descriptor is not open, or not open for this: it was closed behind the back of its owner, "
    "or opened for reading only (or writing only)";
constexpr const char* not_simulated =
    "the simulated kernel of this test cannot wait for a descriptor of the process: make it inside "
    "of the test (tcp_stream::connect, unix_stream::pair, make_pipe, simulated_kernel::make_...), "
    "or run the test on the real kernel with rf::run";
constexpr const char* type_not_simulated =
    "the simulated kernel of this test has no sockets of this type: run the test on the real "
    "kernel with rf::run";
constexpr const char* bad_memory = "the memory given to the request is not mapped";
constexpr const char* not_socket = "the descriptor is no socket";

struct row {
    int code;
    kind_set kinds;
    errno_action action;
    const char* hint;
};

/// The first row that fits counts; what is not here fails. Written by errno, not by request, so
/// that a new request kind is complete from the start.
constexpr row rows[] = {
    {EINTR, all, retry, ""},
    {EAGAIN, set(spawn), limit, processes},
    {EAGAIN, all & ~set(spawn), wait, ""},
    {ECANCELED, all, cancelled, ""},
    // Connections that died in the backlog are the peer's affair, not the listener's.
    {ECONNABORTED, set(accept), retry, ""},
    {EPERM, set(accept), retry, ""},  // a firewall said no
    {EPROTO, set(accept), retry, ""},
    {ENETDOWN, set(accept), retry, ""},
    {ENOPROTOOPT, set(accept), retry, ""},
    {EHOSTDOWN, set(accept), retry, ""},
    {ENONET, set(accept), retry, ""},
    {EHOSTUNREACH, set(accept), retry, ""},
    {EOPNOTSUPP, set(accept), retry, ""},
    {ENETUNREACH, set(accept), retry, ""},
    {EINVAL, set(accept), fail, stopped},
    {EMFILE, all, limit, raise_nofile},
    {ENFILE, all, limit, raise_file_max},
    {ENOMEM, all, limit, out_of_memory},
    {EADDRINUSE, set(bind), fail, port_in_use},
    {EACCES, set(bind), fail, not_allowed_to_bind},
    {EADDRNOTAVAIL, set(bind), fail, not_ours},
    {EAFNOSUPPORT, set(bind, connect), fail, no_family},
    {ECONNREFUSED, set(connect), fail, nobody_listens},
    {ETIMEDOUT, set(connect), fail, no_answer},
    {ETIMEDOUT, set(receive, send), fail, answers_no_more},
    {EPIPE, set(send), fail, not_writable},
    {EMSGSIZE, set(send), fail, datagram_too_long},
    {ENOBUFS, set(send), limit, unix_queue},
    {ENOBUFS, all, limit, out_of_memory},
    {ENOSPC, set(poll), limit, watches},
    {ENOSPC, all, limit, disk_full},
    {EDQUOT, all, limit, over_quota},
    {EFBIG, set(write, allocate, open), limit, file_too_big},
    {EADDRNOTAVAIL, set(connect), limit, ports},
    // No kernel gives these for what this library asks; the simulated one does.
    {EBADFD, all, fail, not_simulated},
    {ESOCKTNOSUPPORT, set(bind, connect), fail, type_not_simulated},
    {EBADF, all, bug, not_open},
    {EFAULT, all, bug, bad_memory},
    {ENOTSOCK, sockets, bug, not_socket},
};

}  // namespace

const char* to_string(request_kind kind) noexcept { return names[static_cast<std::size_t>(kind)]; }

errno_meaning classify(request_kind kind, int code) noexcept {
    // ERESTARTSYS and its kin never leave the kernel by design, and do from its worker threads.
    if (code >= 512 && code <= 516) return {cancelled, ""};
    for (const row& entry : rows)
        if (entry.code == code && (entry.kinds & set(kind)) != 0) return {entry.action, entry.hint};
    return {};
}

error to_error(request_kind kind, const char* name, int code) noexcept {
    const errno_meaning meaning = classify(kind, code);
    RF_ASSERT(meaning.action != bug,
              fmt::format("{} was refused with {}: {}", name, errno_name(code), meaning.hint));
    return {name, code};
}

void throw_failure(request_kind kind, const char* name, int code, std::string about) {
    throw_error(to_error(kind, name, code), std::move(about), classify(kind, code).hint);
}

}  // namespace rf::io
