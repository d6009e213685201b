// SPDX-License-Identifier: MIT
#include <ringfence/io/unix_socket.hpp>

#include <ringfence/io/detail/request.hpp>
#include <ringfence/runtime/system_calls.hpp>

#include <sys/socket.h>

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
    const int fd = system_calls::here().socket(AF_UNIX, SOCK_STREAM);
    if (fd < 0) throw_failure(request_kind::connect, "socket", -fd, "for " + peer.to_string());
    unix_stream made = detail::take_over<unix_stream>(fd);
    co_await unix_connect_awaiter(fd, peer);
    co_return std::move(made);
}

std::pair<unix_stream, unix_stream> unix_stream::pair() {
    int fds[2];
    const int made = system_calls::here().socket_pair(AF_UNIX, SOCK_STREAM, fds);
    if (made < 0) throw_failure(request_kind::connect, "socketpair", -made, {});
    descriptor_in_flight second(fds[1]);
    unix_stream first = detail::take_over<unix_stream>(fds[0]);
    return {std::move(first), second.land<unix_stream>()};
}

unix_listener unix_listener::bind(const unix_endpoint& local, int backlog) {
    system_calls& calls = system_calls::here();
    const int fd = calls.socket(AF_UNIX, SOCK_STREAM);
    if (fd < 0) throw_failure(request_kind::bind, "socket", -fd, "for " + local.to_string());
    descriptor_in_flight held(fd);
    auto state = detail::descriptor_handle<detail::acceptor>::make(fd, "unix listener");
    (void)held.take();
    int failed = -calls.bind(fd, local.data(), local.size());
    if (failed != 0) throw_failure(request_kind::bind, "bind", failed, "to " + local.to_string());
    std::string path = local.is_abstract() ? std::string() : local.to_string();
    failed = -calls.listen(fd, backlog);
    if (failed != 0) {
        if (!path.empty()) calls.unlink(path.c_str());
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
    if (!path_.empty()) system_calls::here().unlink(path_.c_str());
    path_.clear();
}

}  // namespace rf::io
