// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/descriptor_in_flight.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/shard.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/until_drained.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <cstdint>
#include <functional>
#include <source_location>
#include <utility>

namespace rf::io {

/// Which shards of rf::run_sharded serve what one listener accepts.
enum class spread : std::uint8_t {
    here,          // the loop that accepts. For all shards: each has a listener of its own on the
                   // same port, with listen_options::reuse_port
    round_robin,   // all, in turn
    least_loaded,  // the one with the fewest connections and other guests, see shard::load()
};

struct serve_options {
    /// Where connections are served. Those that go elsewhere are accepted here and handed over; the
    /// handler is copied for each and runs on its shard. Under plain rf::run, here.
    spread over = spread::here;
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
/// Names the shard for one connection after another.
class shard_chooser {
public:
    explicit shard_chooser(spread over) noexcept : over_(shards().empty() ? spread::here : over) {}
    [[nodiscard]] bool elsewhere() const noexcept { return over_ != spread::here; }
    [[nodiscard]] shard next() noexcept;

private:
    spread over_;
    std::size_t turn_ = 0;
};

/// Serves a connection on the shard it was handed to.
template <class Stream, class Handler>
task<> serve_landed(Handler handler, descriptor_in_flight arrived, bool end_input_at_drain) {
    Stream peer = arrived.land<Stream>();
    peer.end_input_at_drain(end_input_at_drain);
    co_await std::invoke(std::move(handler), std::move(peer));
}

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
        detail::shard_chooser chosen(options.over);
        auto start = [&](stream_type peer) {
            peer.end_input_at_drain(options.end_input_at_drain);
            connections.spawn(handler, std::move(peer), where);
        };
        auto hand_over = [&](descriptor_in_flight peer) {
            connections.spawn_on(chosen.next(), detail::serve_landed<stream_type, Handler>, handler,
                                 std::move(peer), options.end_input_at_drain, where);
        };
        auto accept_all = [&]() -> task<> {
            for (;;) {
                if (!connections.has_room()) {
                    listener.pause();
                    co_await connections.wait_for_place();
                }
                if (chosen.elsewhere()) {
                    descriptor_in_flight peer = co_await listener.accept_descriptor();
                    hand_over(std::move(peer));
                } else {
                    stream_type peer = co_await listener.accept();
                    start(std::move(peer));
                }
            }
        };
        co_await until_drained(accept_all, where);
        listener.stop();
        connections.drain(options.drain_grace);
        for (;;) {
            if (!connections.has_room()) co_await connections.wait_for_place();
            result<descriptor_in_flight> peer = co_await as_result(listener.accept_descriptor());
            if (!peer) break;
            if (chosen.elsewhere())
                hand_over(std::move(*peer));
            else
                start(peer->template land<stream_type>());
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
