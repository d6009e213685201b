// SPDX-License-Identifier: MIT
#include <ringfence/io/tcp_stream.hpp>

#include <ringfence/io/descriptor_in_flight.hpp>
#include <ringfence/io/detail/request.hpp>
#include <ringfence/io/detail/socket_options.hpp>
#include <ringfence/runtime/system_calls.hpp>

#include <netinet/tcp.h>
#include <sys/socket.h>

namespace rf::io {
namespace {

class [[nodiscard]] connect_awaiter final : public detail::request<connect_awaiter, void> {
public:
    static constexpr request_kind kind = request_kind::connect;
    connect_awaiter(int fd, const endpoint& peer) noexcept : fd_(fd), peer_(peer) {}
    void prepare(io_uring_sqe& sqe) noexcept {
        rf::detail::prep::connect(sqe, fd_, peer_.data(), peer_.size());
    }
    void take(std::int32_t) const noexcept {}
    [[nodiscard]] const char* name() const noexcept { return "connect"; }
    [[nodiscard]] std::string about() const { return "to " + peer_.to_string(); }

private:
    int fd_;
    const endpoint& peer_;  // in the frame of try_connect
};

}  // namespace

task<result<tcp_stream>> tcp_stream::try_connect(endpoint peer, tcp_options options) {
    // Without O_NONBLOCK: the ring waits, and no EAGAIN comes back.
    const int fd = system_calls::here().socket(peer.family(), SOCK_STREAM);
    if (fd < 0) co_return to_error(request_kind::connect, "socket", -fd);
    tcp_stream made;
    {
        descriptor_in_flight held(fd);
        made = unconnected(fd);
        (void)held.take();
    }
    if (const int failed = detail::set_tcp_options(fd, options); failed != 0)
        co_return to_error(request_kind::connect, "setsockopt", failed);
    result<void> connected = co_await as_result(connect_awaiter(fd, peer));
    if (!connected) co_return connected.error();
    made.state_->remember_peer();
    co_return std::move(made);
}

task<tcp_stream> tcp_stream::connect(endpoint peer, tcp_options options) {
    result<tcp_stream> made = co_await try_connect(peer, options);
    if (!made)
        throw_failure(request_kind::connect, made.error().operation(), made.error().code(),
                      "to " + peer.to_string());
    co_return std::move(*made);
}

void tcp_stream::set(const tcp_options& options) {
    const int failed = detail::set_tcp_options(native_handle(), options, detail::socket_age::used);
    if (failed != 0) throw_failure(request_kind::connect, "setsockopt", failed, state_->about());
}

}  // namespace rf::io
