// SPDX-License-Identifier: MIT
#include <ringfence/io/unix_socket.hpp>

#include <ringfence/io/detail/request.hpp>

#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>

namespace rf::io {
namespace {

class [[nodiscard]] unix_connect_awaiter final
    : public detail::request<unix_connect_awaiter, void> {
public:
    static constexpr request_kind kind = request_kind::connect;
    unix_connect_awaiter(int fd, const unix_endpoint& peer) noexcept : fd_(fd), peer_(peer) {}
    void prepare(io_uring_sqe& sqe) noexcept {
        rf::detail::prep::connect(sqe, fd_, peer_.data(), peer_.size());
    }
    void take(std::int32_t) const noexcept {}
    [[nodiscard]] const char* name() const noexcept { return "connect"; }
    [[nodiscard]] std::string about() const { return "to " + peer_.to_string(); }

private:
    int fd_;
    const unix_endpoint& peer_;  // in the frame of connect()
};

}  // namespace

task<unix_stream> unix_stream::connect(unix_endpoint peer) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) throw_failure(request_kind::connect, "socket", errno, "for " + peer.to_string());
    unix_stream made = from_fd(fd);
    co_await unix_connect_awaiter(fd, peer);
    co_return std::move(made);
}

std::pair<unix_stream, unix_stream> unix_stream::pair() {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        throw_failure(request_kind::connect, "socketpair", errno, {});
    return {from_fd(fds[0]), from_fd(fds[1])};
}

unix_listener unix_listener::bind(const unix_endpoint& local, int backlog) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) throw_failure(request_kind::bind, "socket", errno, "for " + local.to_string());
    auto state = detail::descriptor_handle<detail::acceptor>::make(fd, "unix listener");
    if (::bind(fd, local.data(), local.size()) != 0)
        throw_failure(request_kind::bind, "bind", errno, "to " + local.to_string());
    std::string path = local.is_abstract() ? std::string() : local.to_string();
    if (::listen(fd, backlog) != 0) {
        const int failed = errno;
        if (!path.empty()) ::unlink(path.c_str());
        throw_failure(request_kind::bind, "listen", failed, "on " + local.to_string());
    }
    return {std::move(state), std::move(path)};
}

void unix_listener::stop() noexcept {
    remove_path();
    state_->stop_listening();
}

void unix_listener::close() noexcept {
    if (!state_) return;
    remove_path();
    state_.reset();
}

void unix_listener::remove_path() noexcept {
    // Once: the name may be another listener's from now on.
    if (!path_.empty()) ::unlink(path_.c_str());
    path_.clear();
}

}  // namespace rf::io
