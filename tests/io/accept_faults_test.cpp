// SPDX-License-Identifier: MIT
// What the kernel may answer to the requests of a listener: no connection and no descriptor is
// lost.
#include "tests/support/scripted_driver.hpp"
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/io/tcp_stream.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <vector>

using rf::test::run_scripted;
using rf::test::scripted_driver;
using rf::test::turns;

namespace {

constexpr std::uint32_t more = IORING_CQE_F_MORE;

bool is_multishot(const scripted_driver::request& asked) {
    return (asked.priority & IORING_ACCEPT_MULTISHOT) != 0;
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

// A connection, an accept that ends with `res`, and what the next accept is answered with.
rf::task<> accept_end_with(std::int32_t res, bool fatal) {
    auto& kernel = scripted_driver::here();
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
    const int first = ::eventfd(0, EFD_CLOEXEC);
    const int second = ::eventfd(0, EFD_CLOEXEC);
    std::vector<int> got;
    int failed = 0;
    const auto accepting = [&]() -> rf::task<> {
        for (int i = 0; i < 2; ++i) {
            auto peer = co_await rf::as_result(listener.accept());
            if (peer)
                got.push_back(peer->native_handle());
            else
                failed = peer.error().code();
        }
    };
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn(accepting);
        co_await turns();
        auto asked = kernel.take(IORING_OP_ACCEPT);
        REQUIRE(asked.has_value());
        kernel.complete(asked->user_data, first, is_multishot(*asked) ? more : 0);
        co_await turns();
        if (!is_multishot(*asked)) asked = kernel.take(IORING_OP_ACCEPT);
        REQUIRE(asked.has_value());
        kernel.complete(asked->user_data, res > 0 ? second : res);
        co_await turns();
        if (res > 0 || fatal) co_return;
        // Again, perhaps after a pause.
        co_await rf::sleep_for(std::chrono::seconds(1));
        asked = kernel.take(IORING_OP_ACCEPT);
        REQUIRE(asked.has_value());
        kernel.complete(asked->user_data, second);
    });
    if (fatal) {
        CHECK(failed == -res);
        ::close(second);
    } else {
        CHECK(got == std::vector{first, second});
    }
    co_await turns();
    CHECK_FALSE(is_open(first));
    if (const auto still = kernel.take(IORING_OP_ACCEPT)) {
        listener.close();
        co_await turns();
        kernel.complete(still->user_data, -ECANCELED);
        kernel.complete(kernel.take(IORING_OP_ASYNC_CANCEL)->user_data, 0);
    }
}

// Connections that come to an accept that was cancelled, and to a listener that was closed.
rf::task<> accept_late(bool closed_before) {
    auto& kernel = scripted_driver::here();
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
    const int late = ::eventfd(0, EFD_CLOEXEC);
    rf::cancel_scope scope;
    const auto accepting = [&]() -> rf::task<> { auto peer = co_await listener.accept(); };
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn([&]() -> rf::task<> { (void)co_await scope.run(accepting); });
        co_await turns();
        scope.cancel("no more");
    });
    const auto asked = kernel.take(IORING_OP_ACCEPT);
    REQUIRE(asked.has_value());
    if (closed_before) listener.close();
    co_await turns();
    const auto cancel = kernel.take(IORING_OP_ASYNC_CANCEL);
    CHECK(cancel.has_value() == closed_before);
    kernel.complete(asked->user_data, late);
    if (cancel) kernel.complete(cancel->user_data, -EALREADY);
    co_await turns();
    if (closed_before) {
        CHECK_FALSE(is_open(late));
    } else {
        // Kept for the next.
        auto peer = co_await listener.accept();
        CHECK(peer.native_handle() == late);
    }
    listener.close();
    co_await turns();
    CHECK_FALSE(is_open(late));
}

}  // namespace

TEST_CASE("listener: an accept that ends is made again, and no connection is lost") {
    run_scripted([] { return accept_end_with(1, false); });
    for (const std::int32_t res : {-ENOBUFS, -EMFILE, -ENFILE, -ENOMEM, -ECONNABORTED, -EINTR,
                                   -EAGAIN, -ECANCELED, -EPERM}) {
        CAPTURE(res);
        run_scripted([res] { return accept_end_with(res, false); });
    }
    run_scripted([] { return accept_end_with(-EINVAL, true); });
}

TEST_CASE("listener: a connection that comes to a cancelled accept is kept, or closed with it") {
    run_scripted([] { return accept_late(false); });
    run_scripted([] { return accept_late(true); });
}
