// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/simulated_listener.hpp>

#include <ringfence/leakcheck/simulated_kernel.hpp>

#include <cerrno>
#include <poll.h>
#include <utility>

namespace rf::leakcheck::detail {

simulated_listener::~simulated_listener() { drop_backlog(); }

void simulated_listener::drop_backlog() {
    for (const auto& connection : std::exchange(backlog_, {}))
        connection->reset();
}

void simulated_listener::push(std::shared_ptr<simulated_stream> connection) {
    backlog_.push_back(std::move(connection));
    changed();
}

io_result simulated_listener::accept() {
    // Whoever wants a connection and has no descriptor for it leaves it in the backlog.
    if (backlog_.empty()) return shut_ ? io_result(-EINVAL) : io_result();
    const int fd = world_.install(backlog_.front());
    if (fd < 0) return fd;
    backlog_.pop_front();
    changed();
    return fd;
}

std::int32_t simulated_listener::shut_down(int) {
    shut_ = true;
    // A unix socket keeps what is in its backlog.
    if (local.family() != AF_UNIX) drop_backlog();
    changed();
    return 0;
}

std::uint32_t simulated_listener::poll_mask() const noexcept {
    if (shut_) return POLLIN | POLLHUP;
    return backlog_.empty() ? 0 : POLLIN;
}

}  // namespace rf::leakcheck::detail
