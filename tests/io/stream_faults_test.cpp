// SPDX-License-Identifier: MIT
// What the kernel may answer to the requests of sockets: no byte, buffer or descriptor is lost.
#include "tests/support/scripted_driver.hpp"
#include <ringfence/io/tcp_stream.hpp>
#include <ringfence/io/udp_socket.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <poll.h>
#include <string>

using rf::io::tcp_stream;
using rf::test::run_scripted;
using rf::test::scripted_driver;
using rf::test::turns;

namespace {

constexpr int no_descriptor = 1'000'000;  // open in no process here
constexpr std::uint32_t more = IORING_CQE_F_MORE;

/// Answers a receive with bytes, in whatever memory it names.
void give(const scripted_driver::request& asked, std::string_view data, std::uint32_t flags = 0) {
    auto& kernel = scripted_driver::here();
    if ((asked.flags & IOSQE_BUFFER_SELECT) != 0)
        flags |= kernel.fill_buffer(data);
    else
        std::memcpy(reinterpret_cast<void*>(asked.address), data.data(), data.size());
    kernel.complete(asked.user_data, static_cast<std::int32_t>(data.size()), flags);
}

/// The oldest receive. Where there are no buffer rings it comes behind a poll, which finds bytes.
rf::task<std::optional<scripted_driver::request>> take_receive() {
    auto& kernel = scripted_driver::here();
    if (const auto poll = kernel.take(IORING_OP_POLL_ADD)) {
        kernel.complete(poll->user_data, POLLIN);
        co_await turns();
    }
    co_return kernel.take(IORING_OP_RECV);
}

bool is_multishot(const scripted_driver::request& asked) {
    return (asked.priority & IORING_RECV_MULTISHOT) != 0;
}

/// Reads until the end or an error. What came, with the end behind it: "onetwo$" or "one!104".
rf::task<> read_all(tcp_stream& from, std::string& all) {
    for (;;) {
        auto got = co_await rf::as_result(from.read());
        if (!got) {
            all += "!" + std::to_string(got.error().code());
            co_return;
        }
        if (!*got) {
            all += "$";
            co_return;
        }
        all += got->text();
    }
}

// Bytes, then the request ends with `res`, then whatever is asked for next is answered with more
// bytes and the end.
rf::task<> end_with(std::int32_t res, std::string expected) {
    auto& kernel = scripted_driver::here();
    std::string all;
    const auto peer = [&]() -> rf::task<> {
        co_await turns();
        auto asked = co_await take_receive();
        REQUIRE(asked.has_value());
        if (is_multishot(*asked)) {
            give(*asked, "one", more);
        } else {
            give(*asked, "one");
            co_await turns();
            asked = co_await take_receive();
            REQUIRE(asked.has_value());
        }
        if (res > 0)
            give(*asked, "two");
        else
            kernel.complete(asked->user_data, res);
        co_await turns();
        asked = co_await take_receive();
        if (!asked.has_value()) co_return;
        give(*asked, "six", is_multishot(*asked) ? more : 0);
        co_await turns();
        if (!is_multishot(*asked)) asked = co_await take_receive();
        REQUIRE(asked.has_value());
        kernel.complete(asked->user_data, 0);
    };
    {
        tcp_stream stream = tcp_stream::from_fd(no_descriptor);
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn(read_all, std::ref(stream), std::ref(all));
            both.spawn(peer);
            co_return;
        });
    }
    CHECK(all == expected);
    CHECK(rf::io::buffer_pool::here().out() == 0);
    co_await turns();
    CHECK(kernel.requests.empty());
}

// The poll ends with `res`, and the receive behind it finds nothing; then bytes come.
rf::task<> poll_again(std::int32_t res) {
    auto& kernel = scripted_driver::here();
    if (kernel.features().buf_ring) co_return;
    std::string got;
    tcp_stream stream = tcp_stream::from_fd(no_descriptor);
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn([&]() -> rf::task<> {
            auto chunk = co_await stream.read();
            got = chunk.text();
        });
        co_await turns();
        const auto poll = kernel.take(IORING_OP_POLL_ADD);
        REQUIRE(poll.has_value());
        CHECK(rf::io::buffer_pool::here().out() == 0);
        kernel.complete(poll->user_data, res);
        co_await turns();
        if (res > 0) {
            const auto receive = kernel.take(IORING_OP_RECV);
            REQUIRE(receive.has_value());
            kernel.complete(receive->user_data, -EAGAIN);
            co_await turns();
        }
        CHECK(rf::io::buffer_pool::here().out() == 0);
        const auto asked = co_await take_receive();
        REQUIRE(asked.has_value());
        give(*asked, "bytes");
    });
    CHECK(got == "bytes");
}

enum class order { cancel_first, data_first, data_around };

// A stream is closed while its receive is armed, and bytes come all the same.
rf::task<> close_under(order how, std::int32_t last) {
    auto& kernel = scripted_driver::here();
    auto stream = std::make_optional(tcp_stream::from_fd(no_descriptor));
    rf::cancel_scope scope;
    const auto reading = [&]() -> rf::task<> { (void)co_await stream->read(); };
    std::optional<scripted_driver::request> asked;
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn([&]() -> rf::task<> { (void)co_await scope.run(reading); });
        co_await turns();
        asked = co_await take_receive();
        scope.cancel("no more");
    });
    REQUIRE(asked.has_value());
    CHECK(kernel.requests.empty());  // the cancelled read has touched no kernel state
    stream.reset();
    co_await turns();
    const auto cancel = kernel.take(IORING_OP_ASYNC_CANCEL);
    REQUIRE(cancel.has_value());
    if (how == order::cancel_first) kernel.complete(cancel->user_data, 0);
    co_await turns();
    CHECK(kernel.closed.empty());
    if (is_multishot(*asked)) {
        give(*asked, "late", more);
        co_await turns();
        if (how == order::data_around) kernel.complete(cancel->user_data, -EALREADY);
        give(*asked, "later", more);
        co_await turns();
    } else if (how == order::data_around) {
        kernel.complete(cancel->user_data, -EALREADY);
    }
    CHECK(kernel.closed.empty());
    if (last > 0)
        give(*asked, std::string(static_cast<std::size_t>(last), 'x'));
    else
        kernel.complete(asked->user_data, last);
    co_await turns();
    if (how == order::data_first) {
        CHECK(kernel.closed.empty());
        kernel.complete(cancel->user_data, -ENOENT);
        co_await turns();
    }
    // Closed once, when the kernel had let go, and every buffer is back.
    CHECK(kernel.closed == std::vector{no_descriptor});
    CHECK(rf::io::buffer_pool::here().out() == 0);
}

// A read into the caller's memory, or a write, whose scope is cancelled: what was moved all the
// same is delivered.
rf::task<> cancel_direct(bool reading, std::int32_t res, std::int32_t answer) {
    auto& kernel = scripted_driver::here();
    tcp_stream stream = tcp_stream::from_fd(no_descriptor);
    rf::cancel_scope scope;
    std::array<std::byte, 4> memory{};
    std::optional<int> got;  // bytes, or a negative errno
    const auto body = [&]() -> rf::task<int> {
        rf::result<std::size_t> moved(std::size_t{0});
        if (reading)
            moved = co_await rf::as_result(stream.read_some(memory));
        else
            moved = co_await rf::as_result(stream.write_some(memory));
        co_return moved ? static_cast<int>(*moved) : -moved.error().code();
    };
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn([&]() -> rf::task<> { got = co_await scope.run(body); });
        co_await turns();
        const auto asked = kernel.take(reading ? IORING_OP_RECV : IORING_OP_SEND);
        REQUIRE(asked.has_value());
        scope.cancel("race");
        co_await turns();
        const auto cancel = kernel.take(IORING_OP_ASYNC_CANCEL);
        REQUIRE(cancel.has_value());
        kernel.complete(cancel->user_data, answer);
        co_await turns();
        kernel.complete(asked->user_data, res);
    });
    if (rf::operation::is_cancelled(res))
        CHECK_FALSE(got.has_value());
    else
        CHECK(got == res);
    CHECK(kernel.requests.empty());
}

// Sent in part, cancelled, and a part more in spite of it.
rf::task<> cancel_write_all(std::int32_t late, std::uint64_t sent_expected, bool finished) {
    auto& kernel = scripted_driver::here();
    tcp_stream stream = tcp_stream::from_fd(no_descriptor);
    rf::cancel_scope scope;
    bool done = false;
    const auto body = [&]() -> rf::task<> { co_await stream.write_all("0123456789"); };
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn([&]() -> rf::task<> { done = co_await scope.run(body); });
        co_await turns();
        const auto first = kernel.take(IORING_OP_SEND);
        REQUIRE(first.has_value());
        kernel.complete(first->user_data, 3);
        co_await turns();
        const auto second = kernel.take(IORING_OP_SEND);
        REQUIRE(second.has_value());
        CHECK(second->address == first->address + 3);
        scope.cancel("enough");
        co_await turns();
        const auto cancel = kernel.take(IORING_OP_ASYNC_CANCEL);
        REQUIRE(cancel.has_value());
        kernel.complete(second->user_data, late);
        kernel.complete(cancel->user_data, 0);
    });
    CHECK(done == finished);
    CHECK(stream.bytes_sent() == sent_expected);
    CHECK(kernel.requests.empty());
}

// A receive of a datagram that wakes for nothing, after its cancel.
rf::task<> cancel_spurious_wake() {
    auto& kernel = scripted_driver::here();
    auto socket = rf::io::udp_socket::bind({"127.0.0.1", 0});
    std::array<std::byte, 8> memory{};
    rf::cancel_scope scope;
    bool received = true;
    const auto body = [&]() -> rf::task<> { (void)co_await socket.receive_from(memory); };
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn([&]() -> rf::task<> { received = co_await scope.run(body); });
        co_await turns();
        auto asked = kernel.take(IORING_OP_RECVMSG);
        REQUIRE(asked.has_value());
        kernel.complete(asked->user_data, -EAGAIN);
        co_await turns();
        asked = kernel.take(IORING_OP_RECVMSG);
        REQUIRE(asked.has_value());
        scope.cancel("enough");
        co_await turns();
        const auto cancel = kernel.take(IORING_OP_ASYNC_CANCEL);
        REQUIRE(cancel.has_value());
        kernel.complete(cancel->user_data, -EALREADY);
        kernel.complete(asked->user_data, -EAGAIN);
    });
    CHECK_FALSE(received);
    CHECK(kernel.requests.empty());
}

}  // namespace

TEST_CASE("stream: a receive that ends is armed again, unless with the end or an error") {
    run_scripted([] { return end_with(3, "onetwosix$"); });
    run_scripted([] { return end_with(0, "one$"); });
    for (const std::int32_t again : {-ENOBUFS, -EINTR, -EAGAIN}) {
        CAPTURE(again);
        run_scripted([again] { return end_with(again, "onesix$"); });
    }
    for (const std::int32_t error : {-ECONNRESET, -EMFILE, -ENOMEM, -ETIMEDOUT}) {
        CAPTURE(error);
        run_scripted([error] { return end_with(error, "one!" + std::to_string(-error)); });
    }
}

TEST_CASE("stream: a receive that the kernel cancels by itself is an error, not a lost wait") {
    run_scripted([] { return end_with(-ECANCELED, "one!125"); });
}

TEST_CASE("stream: bytes that come to a closed stream give their buffers back") {
    for (const order how : {order::cancel_first, order::data_first, order::data_around})
        for (const std::int32_t last : {4, 0, -ECANCELED, -ENOBUFS, -ECONNRESET, -EINTR}) {
            CAPTURE(how);
            CAPTURE(last);
            run_scripted([=] { return close_under(how, last); });
        }
}

TEST_CASE("stream: a poll that finds nothing after all, or is interrupted, is made again") {
    for (const std::int32_t end : {-EINTR, POLLIN}) {
        CAPTURE(end);
        run_scripted([end] { return poll_again(end); });
    }
}

TEST_CASE("stream: what a cancelled transfer has moved is delivered, an error too") {
    for (const bool reading : {true, false})
        for (const std::int32_t res : {4, 1, -ECANCELED, -EINTR, -512, -ECONNRESET, -ENOMEM})
            for (const std::int32_t answer : {0, -ENOENT, -EALREADY, -EINVAL}) {
                CAPTURE(reading);
                CAPTURE(res);
                CAPTURE(answer);
                run_scripted([=] { return cancel_direct(reading, res, answer); });
            }
}

TEST_CASE("stream: a cancelled write_all says how much it has sent, or that it has sent all") {
    run_scripted([] { return cancel_write_all(-ECANCELED, 3, false); });
    run_scripted([] { return cancel_write_all(-EINTR, 3, false); });
    run_scripted([] { return cancel_write_all(2, 5, false); });
    run_scripted([] { return cancel_write_all(7, 10, true); });
}

TEST_CASE("udp: a receive that wakes for nothing is made again, unless it was cancelled") {
    run_scripted([] { return cancel_spurious_wake(); });
}
