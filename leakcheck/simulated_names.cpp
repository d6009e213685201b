// SPDX-License-Identifier: MIT
// The names of sockets: who is bound to one, who listens there, and who has dialled it.
#include <ringfence/leakcheck/detail/simulated_listener.hpp>
#include <ringfence/leakcheck/detail/simulated_stream.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/runtime/assert.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace rf::leakcheck {
namespace {

using detail::simulated_address;
using detail::simulated_listener;
using detail::simulated_stream;

constexpr std::uint16_t first_port = 40'000;    // that bind chooses
constexpr std::uint16_t client_first = 50'000;  // that connect chooses
constexpr std::uint16_t client_last = 60'999;

simulated_listener* as_listener(detail::simulated_object& opened) {
    return opened.kind() == "listener" ? &static_cast<simulated_listener&>(opened) : nullptr;
}

}  // namespace

bool simulated_kernel::is_taken(const object& asker, const simulated_address& name) const {
    return std::ranges::any_of(table_, [&](const auto& entry) {
        const object& other = *entry.second;
        return other.bound && &other != &asker && !(other.shares_port && asker.shares_port) &&
               other.local.overlaps(name, other.both_families || asker.both_families);
    });
}

std::uint16_t simulated_kernel::free_port(const object& asker, simulated_address name) const {
    std::uint16_t port = first_port;
    for (name.set_port(port); is_taken(asker, name); name.set_port(port))
        ++port;
    return port;
}

std::shared_ptr<detail::simulated_object> simulated_kernel::at_path(std::string_view path) const {
    const auto found = paths_.find(path);
    return found == paths_.end() ? nullptr : found->second.lock();
}

bool simulated_kernel::forget_path(std::string_view path) {
    const auto found = paths_.find(path);
    if (found == paths_.end()) return false;
    paths_.erase(found);
    return true;
}

int simulated_kernel::bind_name(int fd, simulated_address name) {
    const auto socket = find(fd);
    if (socket == nullptr) return -EBADF;
    if (!socket->is_socket()) return -ENOTSOCK;
    if (socket->bound) return -EINVAL;
    if (socket->family != AF_UNSPEC && socket->family != name.family()) return -EAFNOSUPPORT;
    if (name.is_inet()) {
        if (name.port() == 0) name.set_port(free_port(*socket, name));
        if (is_taken(*socket, name)) return -EADDRINUSE;
    } else if (const std::string_view path = name.path(); !path.empty()) {
        // A path stays when its socket is gone, an abstract name goes with it.
        const auto found = paths_.find(path);
        if (found != paths_.end() && !(name.is_abstract() && found->second.expired()))
            return -EADDRINUSE;
        paths_[std::string(path)] = socket;
    }
    socket->local = std::move(name);
    socket->bound = true;
    return 0;
}

int simulated_kernel::start_listening(int fd, int backlog) {
    const auto socket = find(fd);
    if (socket == nullptr) return -EBADF;
    if (as_listener(*socket) != nullptr) return 0;
    if (!socket->is_socket() || !socket->is_stream()) return -EOPNOTSUPP;
    if (static_cast<simulated_stream&>(*socket).connected()) return -EINVAL;
    if (!socket->bound) {
        if (socket->family == AF_UNIX) return -EINVAL;
        const int family = socket->family == AF_UNSPEC ? AF_INET : socket->family;
        if (const int failed = bind_name(fd, simulated_address::any(family, 0)); failed != 0)
            return failed;
    }
    const auto room = static_cast<std::size_t>(std::max(backlog, 1));
    auto listener = std::make_shared<simulated_listener>(*this, std::min(room, options_.backlog));
    listener->family = socket->family;
    listener->local = socket->local;
    listener->bound = true;
    listener->shares_port = socket->shares_port;
    listener->both_families = socket->both_families;
    if (const std::string_view path = socket->local.path(); !path.empty())
        paths_[std::string(path)] = listener;
    table_[fd] = std::move(listener);
    return 0;
}

int simulated_kernel::make_listener(std::uint16_t port) {
    const int fd = make_socket();
    if (fd < 0) return fd;
    find(fd)->both_families = true;
    int failed = bind_name(fd, simulated_address::any(AF_INET, port));
    if (failed == 0) failed = start_listening(fd, static_cast<int>(options_.backlog));
    if (failed == 0) return fd;
    (void)close_now(fd);
    return failed;
}

std::uint16_t simulated_kernel::port_of(int listener) const {
    const auto found = find(listener);
    RF_ASSERT(found != nullptr && found->kind() == "listener",
              "a simulated descriptor is not open, or not of this kind");
    return found->local.port();
}

simulated_listener* simulated_kernel::listener_for(const simulated_address& dialled) {
    if (!dialled.is_inet()) {
        const auto found = at_path(dialled.path());
        simulated_listener* const listener = found == nullptr ? nullptr : as_listener(*found);
        return listener == nullptr || listener->shut() ? nullptr : listener;
    }
    // Of several on one port, the one with the fewest that wait.
    simulated_listener* best = nullptr;
    for (const auto& [fd, opened] : table_) {
        simulated_listener* const found = as_listener(*opened);
        if (found == nullptr || !found->hears(dialled)) continue;
        if (best == nullptr || found->readable() < best->readable()) best = found;
    }
    return best;
}

simulated_address simulated_kernel::client_name(const simulated_address& dialled) {
    if (!dialled.is_inet()) return simulated_address::unnamed();
    last_port_ =
        last_port_ < client_last ? static_cast<std::uint16_t>(last_port_ + 1) : client_first;
    simulated_address name = dialled;
    name.set_port(last_port_);
    return name;
}

detail::io_result simulated_kernel::connect_stream(simulated_stream& client,
                                                   const simulated_address& dialled) {
    if (swallows(dialled)) return {};
    simulated_listener* const listener = listener_for(dialled);
    if (listener == nullptr) {
        const bool nothing = dialled.family() == AF_UNIX && !dialled.is_abstract() &&
                             !paths_.contains(dialled.path());
        return nothing ? -ENOENT : -ECONNREFUSED;
    }
    if (!listener->has_room()) return {};
    auto server =
        std::make_shared<simulated_stream>(*this, "stream", simulated_stream::role::socket);
    const bool any = dialled.is_inet() && dialled.is_any();
    server->family = dialled.family();
    server->local = any ? simulated_address::loopback(dialled.family(), dialled.port()) : dialled;
    if (client.local.family() == AF_UNSPEC) client.local = client_name(server->local);
    client.remote = server->local;
    server->remote = client.local;
    simulated_stream::join(std::static_pointer_cast<simulated_stream>(client.shared_from_this()),
                           server, options_.stream_capacity);
    listener->push(std::move(server));
    return 0;
}

int simulated_kernel::connect_to(int listener) {
    const simulated_address dialled = simulated_address::loopback(AF_INET, port_of(listener));
    const int fd = make_socket();
    if (fd < 0) return fd;
    const auto result = find(fd)->connect(dialled);
    if (result.has_value() && *result == 0) return fd;
    (void)close_now(fd);
    return result.value_or(-EAGAIN);
}

}  // namespace rf::leakcheck
