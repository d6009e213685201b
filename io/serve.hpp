// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/until_drained.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <chrono>
#include <cstdint>
#include <source_location>
#include <utility>

namespace rf::io {

struct serve_options {
    std::uint32_t max_connections = 0;  // at a time; more wait in the backlog. 0: any number
    std::chrono::milliseconds drain_grace{5'000};  // then what is left is cancelled
    /// A connection whose peer is silent while draining reads the end of the stream, so that its
    /// handler returns. False: handlers look at this_task::draining() themselves.
    bool end_input_at_drain = true;
    const char* name = "connections";  // of the nursery, in the task tree
    /// Hears of each connection that failed; must not throw. Null: failures of the network
    /// (io_error, timeout_error) are counted and no more, others are printed.
    void (*on_error)(const child_failure&) = nullptr;
};

namespace detail {
/// The default for on_error.
void report_connection_failure(const child_failure& failure) noexcept;
template <class Listener, class Handler>
task<> serve_owned(Listener listener, Handler handler, serve_options options,
                   std::source_location where);
}  // namespace detail

/// Serves a listener: each connection is `handler(stream)`, a child of its own, whose failure is
/// its own too. At `max_connections` accepting pauses. Running out of descriptors is survived.
///
/// Drain (the first stop signal of rf::run, nursery::drain): the listener is stopped, so that new
/// clients are refused at once; those whose connection was complete by then are still served,
/// silent ones read the end of the stream, the rest have `drain_grace` to finish before they are
/// cancelled; then serve returns. The listener stays the caller's, to be closed: a stopped one
/// takes no more connections.
/// Cancellation: all connections are cancelled, and it unwinds; the listener is as before.
/// Errors: a listener that fails for good throws io_error, after all connections have ended.
template <class Listener, class Handler>
[[nodiscard]] task<> serve(Listener& listener, Handler handler, serve_options options = {},
                           std::source_location where = std::source_location::current()) {
    using stream_type = typename Listener::stream_type;
    nursery_options children{};
    children.on_failure = isolate;
    children.limit = options.max_connections;
    children.name = options.name;
    children.spawn_while_draining = true;  // for connections made before
    auto body = [&](nursery& connections) -> task<> {
        connections.on_child_failure(
            options.on_error != nullptr ? options.on_error : &detail::report_connection_failure);
        auto start = [&](stream_type peer) {
            peer.end_input_at_drain(options.end_input_at_drain);
            connections.spawn(handler, std::move(peer), where);
        };
        auto accept_all = [&]() -> task<> {
            for (;;) {
                if (!connections.has_room()) {
                    listener.pause();
                    co_await connections.wait_for_place();
                }
                stream_type peer = co_await listener.accept();
                start(std::move(peer));
            }
        };
        co_await until_drained(accept_all, where);
        listener.stop();
        connections.drain(options.drain_grace);
        for (;;) {
            if (!connections.has_room()) co_await connections.wait_for_place();
            result<stream_type> peer = co_await as_result(listener.accept());
            if (!peer) break;
            start(std::move(*peer));
        }
    };
    co_await with_nursery(children, body, where);
}

/// The same, owning the listener, which closes when serving ends.
template <class Listener, class Handler>
    requires(!std::is_lvalue_reference_v<Listener>)
[[nodiscard]] task<> serve(Listener&& listener, Handler handler, serve_options options = {},
                           std::source_location where = std::source_location::current()) {
    return detail::serve_owned<Listener, Handler>(std::move(listener), std::move(handler), options,
                                                  where);
}

namespace detail {

template <class Listener, class Handler>
task<> serve_owned(Listener listener, Handler handler, serve_options options,
                   std::source_location where) {
    co_await serve(listener, std::move(handler), options, where);
}

}  // namespace detail

}  // namespace rf::io
