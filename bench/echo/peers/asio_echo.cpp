// SPDX-License-Identifier: MIT
// An echo server on Asio's coroutines and its default backend: asio_echo PORT
#include <array>
#include <asio.hpp>
#include <cstdio>
#include <cstdlib>

namespace {

asio::awaitable<void> session(asio::ip::tcp::socket peer) {
    std::array<char, 16384> buffer;
    try {
        for (;;) {
            const std::size_t size =
                co_await peer.async_read_some(asio::buffer(buffer), asio::use_awaitable);
            co_await asio::async_write(peer, asio::buffer(buffer, size), asio::use_awaitable);
        }
    } catch (const std::exception&) {  // the peer has gone
    }
}

asio::awaitable<void> serve(asio::ip::tcp::acceptor& listener) {
    for (;;) {
        auto peer = co_await listener.async_accept(asio::use_awaitable);
        peer.set_option(asio::ip::tcp::no_delay(true));
        asio::co_spawn(listener.get_executor(), session(std::move(peer)), asio::detached);
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    asio::io_context context(1);
    const auto port = static_cast<unsigned short>(std::atoi(argv[1]));
    asio::ip::tcp::acceptor listener(context, {asio::ip::address_v4::loopback(), port});
    asio::co_spawn(context, serve(listener), asio::detached);
    std::printf("listening on 127.0.0.1:%u\n", listener.local_endpoint().port());
    std::fflush(stdout);
    context.run();
}
