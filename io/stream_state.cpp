// SPDX-License-Identifier: MIT
#include <ringfence/io/detail/stream_state.hpp>

#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/system_calls.hpp>

#include <cerrno>
#include <sys/socket.h>
#include <utility>

namespace rf::io::detail {

stream_state::stream_state(int fd, const char* kind) noexcept
    : descriptor(fd, kind),
      input(
          fd, [](void* self) noexcept { static_cast<stream_state*>(self)->close_if_idle(); },
          this) {}

void stream_state::stop() noexcept {
    RF_ASSERT(requests == 0, "a stream was closed while a task writes to it");
    RF_ASSERT(!input.has_reader(), "a stream was closed while a task reads from it");
    input.stop();
    // The kernel would hold the socket open as long as it is in its slot.
    if (slot_ >= 0) loop::here().kernel().leave_file(std::exchange(slot_, slot_refused));
}

bool stream_state::earn_slot() noexcept {
    if (slot_ == slot_refused || ++slot_ != 0) return false;
    driver& kernel = loop::here().kernel();
    const int slot = kernel.features().fixed_files ? kernel.enter_file(fd()) : -1;
    slot_ = slot < 0 ? slot_refused : slot;
    return slot >= 0;
}

std::string stream_state::about() const {
    if (fd() < 0) return {};
    const endpoint local = endpoint::local_of(fd());
    if (local.family() == AF_UNIX) return "a unix socket";
    return local.to_string() + " -> " + peer().to_string();
}

void stream_state::remember_peer() noexcept {
    socklen_t size = sizeof peer_;
    auto* const name = reinterpret_cast<sockaddr*>(&peer_);
    // For each connection that is accepted: so directly, and by way of the driver only for what is
    // no descriptor of this process.
    if (::getpeername(fd(), name, &size) == 0) return;
    if (errno != EBADF || system_calls::here().peer_name(fd(), name, size) < 0)
        peer_.sin6_family = AF_UNSPEC;  // reset before anybody looked
}

endpoint stream_state::peer() const noexcept {
    if (peer_.sin6_family == AF_UNSPEC) return endpoint::peer_of(fd());
    return {reinterpret_cast<const sockaddr*>(&peer_), sizeof peer_};
}

}  // namespace rf::io::detail
