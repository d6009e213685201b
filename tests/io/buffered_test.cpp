// SPDX-License-Identifier: MIT
#include "tests/io/real_run.hpp"
#include <ringfence/io/buffered_reader.hpp>
#include <ringfence/io/buffered_writer.hpp>
#include <ringfence/io/pipe.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <unistd.h>

using rf::io::buffered_reader;
using rf::io::buffered_writer;

namespace {

/// Gives a text in parts of at most `part` bytes.
class text_source {
public:
    text_source(std::string text, std::size_t part) : text_(std::move(text)), part_(part) {}
    rf::task<std::size_t> read_some(std::span<std::byte> to) {
        const std::size_t size = std::min({part_, to.size(), text_.size() - at_});
        if (size != 0) std::memcpy(to.data(), text_.data() + at_, size);
        at_ += size;
        co_return size;
    }

private:
    std::string text_;
    std::size_t part_;
    std::size_t at_ = 0;
};

/// Takes at most `part` bytes a time and keeps them.
class text_sink {
public:
    explicit text_sink(std::size_t part) : part_(part) {}
    rf::task<std::size_t> write_some(std::span<const std::byte> from) {
        const std::size_t size = std::min(part_, from.size());
        text.append(reinterpret_cast<const char*>(from.data()), size);
        ++writes;
        co_return size;
    }
    rf::task<> write_all(std::span<const std::byte> from) {
        while (!from.empty()) {
            const std::size_t size = co_await write_some(from);
            from = from.subspan(size);
        }
    }
    std::string text;
    int writes = 0;

private:
    std::size_t part_;
};

std::span<std::byte> bytes(std::string& text) { return std::as_writable_bytes(std::span(text)); }

std::string to_text(std::span<const std::byte> from) {
    return {reinterpret_cast<const char*>(from.data()), from.size()};
}

}  // namespace

TEST_CASE("buffered reader: lines come without their ends, whatever the parts") {
    for (const std::size_t part : {1, 2, 3, 7, 100})
        test::run_clean([part]() -> rf::task<> {
            text_source source("one\r\n\ntwo\nlast", part);
            buffered_reader<text_source> in(source, 4);
            for (const char* expected : {"one", "", "two", "last"}) {
                const auto line = co_await in.read_line();
                REQUIRE(line);
                CHECK(*line == expected);
            }
            const auto end = co_await in.read_line();
            CHECK(!end);
        });
}

TEST_CASE("buffered reader: delimiters, exact sizes, peeks and plain reads share one buffer") {
    for (const std::size_t part : {1, 3, 100})
        test::run_clean([part]() -> rf::task<> {
            text_source source("key: value\r\n\r\n12345678901234567890rest", part);
            buffered_reader<text_source> in(source, 8);
            const std::string head = co_await in.read_until("\r\n\r\n", 100);
            CHECK(head == "key: value\r\n\r\n");
            const auto seen = co_await in.peek(3);
            CHECK(to_text(seen).substr(0, 3) == "123");
            std::string exact(20, '-');
            co_await in.read_exact(bytes(exact));
            CHECK(exact == "12345678901234567890");
            std::string rest;
            for (;;) {
                std::string some(3, '-');
                const std::size_t got = co_await in.read_some(bytes(some));
                if (got == 0) break;
                rest += some.substr(0, got);
            }
            CHECK(rest == "rest");
            const auto nothing = co_await in.peek(1);
            CHECK(nothing.empty());
        });
}

#if RF_EXCEPTIONS
TEST_CASE("buffered reader: a line too long and a stream too short are told, and lose nothing") {
    test::run_clean([]() -> rf::task<> {
        text_source source("0123456789\nab", 4);
        buffered_reader<text_source> in(source, 4);
        const std::string said = co_await test::failure_of(in.read_line(10));
        CHECK(said == "read line (no end within 10 bytes): Message too long (EMSGSIZE)");
        const auto line = co_await in.read_line(11);
        REQUIRE(line);
        CHECK(*line == "0123456789");
        std::string three(3, '-');
        const std::string ended = co_await test::failure_of(in.read_exact(bytes(three)));
        CHECK(ended.find("3 bytes (the stream ended after 2)") != std::string::npos);
        std::string two(2, '-');
        co_await in.read_exact(bytes(two));
        CHECK(two == "ab");
    });
}
#endif

TEST_CASE("buffered reader: cancelled reads lose no byte") {
    test::run_clean([]() -> rf::task<> {
        rf::io::pipe_ends ends = rf::io::make_pipe();
        buffered_reader<rf::io::pipe_reader> in(ends.reader, 16);
        std::string sent;
        std::string got;
        for (int i = 0; i < 500; ++i) {
            const std::string part = std::to_string(i) + (i % 5 == 0 ? "\n" : ",");
            rf::cancel_scope scope;
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn([&]() -> rf::task<> {
                    const auto line = co_await scope.run(in.read_until("\n", 1000));
                    if (line) got += *line;
                });
                both.spawn([&]() -> rf::task<> {
                    const auto wrote =
                        ::write(ends.writer.native_handle(), part.data(), part.size());
                    CHECK(wrote == static_cast<ssize_t>(part.size()));
                    sent += part;
                    scope.cancel("race");
                    co_return;
                });
                co_return;
            });
        }
        ends.writer.close();
        for (;;) {
            const std::string line = co_await in.read_until("\n", 1000);
            if (line.empty()) break;
            got += line;
        }
        CHECK(got == sent);
    });
}

TEST_CASE("buffered writer: gathers small writes and keeps the order of large ones") {
    test::run_clean([]() -> rf::task<> {
        text_sink sink(5);
        buffered_writer<text_sink> out(sink, 8);
        co_await out.write("abc");
        co_await out.write("de");
        CHECK(sink.writes == 0);
        CHECK(out.pending() == 5);
        co_await out.write("fghijklmnopqrstuvwxyz");
        co_await out.write("!");
        co_await out.flush();
        CHECK(sink.text == "abcdefghijklmnopqrstuvwxyz!");
        CHECK(out.pending() == 0);
        CHECK(out.accepted() == 27);
    });
}

TEST_CASE("buffered writer: a cancelled flush keeps what was not sent") {
    test::run_clean([]() -> rf::task<> {
        rf::io::pipe_ends ends = rf::io::make_pipe();
        ::fcntl(ends.writer.native_handle(), F_SETPIPE_SZ, 4096);
        buffered_writer<rf::io::pipe_writer> out(ends.writer, 20'000);
        std::string text(10'000, '\0');
        for (std::size_t i = 0; i < text.size(); ++i)
            text[i] = static_cast<char>('a' + i % 23);
        co_await out.write(text);
        const bool flushed = co_await rf::move_on_after(std::chrono::milliseconds(2), out.flush());
        CHECK(!flushed);
        CHECK(out.pending() > 0);
        CHECK(out.pending() < text.size());
        std::string got;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                co_await out.flush();
                ends.writer.close();
            });
            std::array<std::byte, 1000> part;
            for (;;) {
                const std::size_t size = co_await ends.reader.read_some(part);
                if (size == 0) break;
                got += to_text(std::span(part).first(size));
            }
        });
        CHECK(got == text);
    });
}
