// SPDX-License-Identifier: MIT
#include "tests/io/real_run.hpp"
#include <ringfence/io/directory.hpp>
#include <ringfence/io/file.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using rf::io::file;

namespace {

constexpr rf::io::open_options make_new{.write = true, .create = true, .exclusive = true};

std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        text[i] = static_cast<char>('a' + i * i % 26);
    return text;
}

std::span<std::byte> bytes(std::string& text) { return std::as_writable_bytes(std::span(text)); }

}  // namespace

TEST_CASE("file: what is written at an offset is read there") {
    test::run_clean([]() -> rf::task<> {
        const test::temporary_folder folder;
        file f = co_await file::open(folder / "a", make_new);
        const std::size_t wrote = co_await f.write_all_at(4, "world");
        CHECK(wrote == 5);
        const std::size_t start = co_await f.write_at(0, std::as_bytes(std::span("hey,", 4)));
        CHECK(start == 4);
        const std::uint64_t size = co_await f.size();
        CHECK(size == 9);
        std::string text(20, '-');
        const std::size_t got = co_await f.read_at(2, bytes(text));
        CHECK(text.substr(0, got) == "y,world");
        const std::size_t past = co_await f.read_at(100, bytes(text));
        CHECK(past == 0);
        co_await f.fsync();
        co_await f.fsync(true);
        co_await f.close();
        CHECK(!f);
    });
}

TEST_CASE("file: vectored reads and writes keep the order of the parts") {
    test::run_clean([]() -> rf::task<> {
        const test::temporary_folder folder;
        file f = co_await file::open(folder / "a", make_new);
        std::string one = "one ";
        std::string two = "two";
        const iovec out[] = {{one.data(), one.size()}, {two.data(), two.size()}};
        const std::size_t wrote = co_await f.writev_at(1, out);
        CHECK(wrote == 7);
        std::string left(3, '-');
        std::string right(10, '-');
        const iovec in[] = {{left.data(), left.size()}, {right.data(), right.size()}};
        const std::size_t got = co_await f.readv_at(1, in);
        CHECK(got == 7);
        CHECK(left == "one");
        CHECK(right == " two------");
    });
}

TEST_CASE("file: read_all reads to the end, also of files without a size, and has a limit") {
    test::run_clean([]() -> rf::task<> {
        const test::temporary_folder folder;
        const std::string text = pattern(1'000'000);
        file f = co_await file::open(folder / "a", make_new);
        co_await f.write_all_at(0, text);
        const std::string all = co_await f.read_all();
        CHECK(all == text);
        const std::string fits = co_await f.read_all(text.size());
        CHECK(fits.size() == text.size());
        file proc = co_await file::open("/proc/self/status");
        const std::string status = co_await proc.read_all();
        CHECK(status.find("Pid:") != std::string::npos);
#if RF_EXCEPTIONS
        const auto refused = co_await rf::as_result(f.read_all(text.size() - 1));
        REQUIRE(!refused);
        CHECK(refused.error().code() == EFBIG);
#endif
    });
}

TEST_CASE("file: truncate and allocate set the size") {
    test::run_clean([]() -> rf::task<> {
        const test::temporary_folder folder;
        file f = co_await file::open(folder / "a", make_new);
        co_await f.write_all_at(0, "0123456789");
        co_await f.truncate(4);
        const std::string cut = co_await f.read_all();
        CHECK(cut == "0123");
        const auto grown = co_await rf::as_result(f.allocate(0, 8192));
        if (grown) {
            const std::uint64_t size = co_await f.size();
            CHECK(size == 8192);
        } else {
            CHECK(grown.error().code() == EOPNOTSUPP);
        }
    });
}

TEST_CASE("file: options reach the kernel") {
    test::run_clean([]() -> rf::task<> {
        const test::temporary_folder folder;
        {
            file f =
                co_await file::open(folder / "a", {.write = true, .create = true, .mode = 0640});
            co_await f.write_all_at(0, "abc");
            CHECK((::fcntl(f.native_handle(), F_GETFD) & FD_CLOEXEC) != 0);
        }
        const rf::io::file_status made = co_await rf::io::status(folder / "a");
        const mode_t mask = ::umask(0);
        ::umask(mask);
        CHECK(made.permissions == (0640 & ~mask));
        const auto again = co_await rf::as_result(file::open(folder / "a", make_new));
        REQUIRE(!again);
        CHECK(again.error().code() == EEXIST);
        file more = co_await file::open(folder / "a", {.append = true});
        co_await more.write_all_at(0, "def");
        const std::string all = co_await more.read_all();
        CHECK(all == "abcdef");
        file empty = co_await file::open(folder / "a", {.write = true, .truncate = true});
        const std::uint64_t size = co_await empty.size();
        CHECK(size == 0);
    });
}

TEST_CASE("file: 200 requests at a time take their turn and all finish") {
    test::run_clean([]() -> rf::task<> {
        const test::temporary_folder folder;
        file f = co_await file::open(folder / "a", make_new);
        const std::string text = pattern(200 * 512);
        std::uint32_t peak = 0;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (std::size_t i = 0; i < 200; ++i)
                all.spawn([&, i]() -> rf::task<> {
                    co_await f.write_all_at(i * 512, std::string_view(text).substr(i * 512, 512));
                });
            // Runs after the others have begun and before any of them has an answer.
            all.spawn([&]() -> rf::task<> {
                peak = rf::io::detail::file_gate::here().in_flight();
                co_return;
            });
            co_return;
        });
        CHECK(peak == rf::io::detail::file_gate::in_flight_max);
        CHECK(rf::io::detail::file_gate::here().in_flight() == 0);
        const std::string all = co_await f.read_all();
        CHECK(all == text);
    });
}

TEST_CASE("file: requests cancelled in line and in the kernel leave the line intact") {
    test::run_clean([]() -> rf::task<> {
        const test::temporary_folder folder;
        file f = co_await file::open(folder / "a", make_new);
        rf::cancel_scope scope;
        int finished = 0;
        (void)co_await scope.run([&]() -> rf::task<> {
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                for (int i = 0; i < 200; ++i)
                    all.spawn([&]() -> rf::task<> {
                        co_await f.fsync();
                        ++finished;
                    });
                all.spawn([&]() -> rf::task<> {
                    scope.cancel("enough");
                    co_return;
                });
                co_return;
            });
        });
        CHECK(finished < 200);
        CHECK(rf::io::detail::file_gate::here().in_flight() == 0);
        co_await f.write_all_at(0, "still usable");
    });
}

TEST_CASE("file: a descriptor that comes to a cancelled open is not leaked") {
    test::run_clean([]() -> rf::task<> {
        const test::temporary_folder folder;
        const std::string path = folder / "a";
        {
            file made = co_await file::open(path, make_new);
        }
        int delivered = 0;
        for (int i = 0; i < 1000; ++i) {
            rf::cancel_scope scope;
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn([&]() -> rf::task<> {
                    const auto got = co_await scope.run(
                        [&]() -> rf::task<file> { co_return co_await file::open(path); });
                    if (got) ++delivered;
                });
                both.spawn([&]() -> rf::task<> {
                    scope.cancel("race");
                    co_return;
                });
                co_return;
            });
        }
        CHECK(delivered > 0);
    });
}

TEST_CASE("file: a FIFO opens for reading at once, and for writing not before it has a reader") {
    test::run_clean([]() -> rf::task<> {
        const test::temporary_folder folder;
        const std::string path = folder / "fifo";
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
#if RF_EXCEPTIONS
        const std::string said =
            co_await test::failure_of(file::open(path, {.read = false, .write = true}));
        CHECK(said.find("(ENXIO)") != std::string::npos);
#endif
        file reader = co_await file::open(path);
        file writer = co_await file::open(path, {.read = false, .write = true});
        CHECK(writer);
    });
}

TEST_CASE("file: a full disk is ENOSPC") {
    test::run_clean([]() -> rf::task<> {
        file full = co_await file::open("/dev/full", {.write = true});
        std::size_t written = 77;
        const auto wrote = co_await rf::as_result(full.write_all_at(0, "x", &written));
        REQUIRE(!wrote);
        CHECK(wrote.error().code() == ENOSPC);
#if RF_EXCEPTIONS
        const std::string said = co_await test::failure_of(full.write_all_at(0, "x"));
        CHECK(said == "write /dev/full: No space left on device (ENOSPC): no room is left on the "
                      "file system");
#endif
    });
}

TEST_CASE("file: a write that a limit cuts short reports what went in") {
    const auto before_signal = ::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    test::run_clean([&]() -> rf::task<> {
        const test::temporary_folder folder;
        file f = co_await file::open(folder / "a", make_new);
        const rlimit small{10'000, before.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &small);
        std::size_t written = 0;
        const std::string text = pattern(20'000);
        const auto wrote = co_await rf::as_result(f.write_all_at(0, text, &written));
        ::setrlimit(RLIMIT_FSIZE, &before);
        REQUIRE(!wrote);
        CHECK(wrote.error().code() == EFBIG);
        CHECK(written == 10'000);
        const std::string all = co_await f.read_all();
        CHECK(all == text.substr(0, 10'000));
    });
    ::signal(SIGXFSZ, before_signal);
}

#if RF_EXCEPTIONS
TEST_CASE("file: errors name the path, and at a limit the remedy") {
    test::run_clean([]() -> rf::task<> {
        const std::string missing = co_await test::failure_of(file::open("/no/such/file"));
        CHECK(missing == "open /no/such/file: No such file or directory (ENOENT)");

        file directory = co_await file::open("/tmp");
        std::string to(10, '-');
        const std::string said = co_await test::failure_of(directory.read_at(0, bytes(to)));
        CHECK(said == "read /tmp: Is a directory (EISDIR)");

        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        const rlimit none{0, before.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &none);
        const std::string limit = co_await test::failure_of(file::open("/dev/null"));
        ::setrlimit(RLIMIT_NOFILE, &before);
        CHECK(limit.find("open /dev/null: Too many open files (EMFILE): this process is at its "
                         "limit of open") == 0);
        CHECK(limit.find("RLIMIT_NOFILE") != std::string::npos);
    });
}
#endif

TEST_CASE("file: closing while a request is under way is refused") {
    const std::string said = test::abort_message([] {
        (void)rf::run([]() -> rf::task<> {
            file f = co_await file::open("/dev/null", {.write = true});
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn([&]() -> rf::task<> { co_await f.fsync(); });
                both.spawn([&]() -> rf::task<> { co_await f.close(); });
                co_return;
            });
        });
    });
    CHECK(said.find("a file was closed or destroyed while a task reads, writes or syncs it") !=
          std::string::npos);
}

TEST_CASE("file: writing to one opened for reading is a bug and says so") {
    const std::string said = test::abort_message([] {
        (void)rf::run([]() -> rf::task<> {
            file f = co_await file::open("/dev/null");
            co_await f.write_all_at(0, "x");
        });
    });
    CHECK(said.find("write was refused with EBADF") != std::string::npos);
}

TEST_CASE("file: a close in a cancelled scope closes all the same") {
    test::run_clean([]() -> rf::task<> {
        rf::cancel_scope scope;
        const bool closed = co_await scope.run([&]() -> rf::task<> {
            file f = co_await file::open("/dev/null");
            scope.cancel("too late");
            co_await f.close();
        });
        CHECK(!closed);
    });
}

TEST_CASE("file: close closes once: the number may belong to another file right after") {
    test::run_clean([]() -> rf::task<> {
        file f = co_await file::open("/dev/null");
        const int number = f.native_handle();
        co_await f.close();
        const int other = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
        CHECK(other == number);
        file probe =
            co_await file::open("/dev/null");  // everything submitted before is done by now
        CHECK(::fcntl(other, F_GETFD) != -1);
        CHECK(probe.native_handle() != other);
        ::close(other);
    });
}
