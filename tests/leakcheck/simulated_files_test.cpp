// SPDX-License-Identifier: MIT
// Files and directories of the process, used by a program on the simulated kernel.
#include "tests/support/has.hpp"
#include "tests/support/temporary_folder.hpp"
#include <ringfence/io/detail/request.hpp>
#include <ringfence/io/directory.hpp>
#include <ringfence/io/file.hpp>
#include <ringfence/leakcheck/bubble.hpp>
#include <ringfence/leakcheck/cancel_points.hpp>
#include <ringfence/leakcheck/doctest.hpp>
#include <ringfence/leakcheck/process_state.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/runtime/scope_guard.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/uring_file_requests.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <span>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rf::io::file;
using rf::leakcheck::for_each_cancel_point;
using rf::leakcheck::injection;
using rf::test::has;

namespace {

constexpr rf::io::open_options make_new{.write = true, .create = true, .exclusive = true};

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

/// An open whose descriptor belongs to nobody.
class [[nodiscard]] bare_open final : public rf::io::detail::request<bare_open, int> {
public:
    static constexpr rf::io::request_kind kind = rf::io::request_kind::open;
    explicit bare_open(const char* path) noexcept : path_(path) {}
    void prepare(io_uring_sqe& sqe) noexcept {
        rf::detail::prep::openat(sqe, AT_FDCWD, path_, O_RDONLY);
    }
    [[nodiscard]] int take(std::int32_t res) const noexcept { return res; }
    [[nodiscard]] const char* name() const noexcept { return "open"; }

private:
    const char* path_;
};

/// Writes beside, makes it durable, and renames: as a careful program keeps its state.
rf::task<> save(std::string path, std::string_view text) {
    const std::string fresh = path + ".new";
    file out = co_await file::open(fresh, {.write = true, .create = true, .truncate = true});
    co_await out.write_all_at(0, text);
    co_await out.fsync();
    co_await out.close();
    co_await rf::io::rename(fresh, path);
}

rf::task<> save_and_load(const std::string& folder) {
    const std::string path = folder + "/state";
    co_await save(path, "0123456789");
    file in = co_await file::open(path);
    const std::string text = co_await in.read_all();
    CHECK(text == "0123456789");
    co_await rf::io::unlink(path);
}

}  // namespace

RF_TEST("simulated files: a program's files are those of the process") {
    const rf::test::temporary_folder folder;
    co_await save(folder / "state", "kept");
    file in = co_await file::open(folder / "state");
    std::array<std::byte, 8> bytes{};
    const std::size_t got = co_await in.read_at(1, bytes);
    CHECK(got == 3);
    co_await in.close();
    const auto about = co_await rf::io::status(folder / "state");
    CHECK(about.size == 4);
}

RF_TEST("simulated files: directories and links are made, listed and removed") {
    const rf::test::temporary_folder folder;
    co_await rf::io::make_directory(folder / "inside");
    co_await save(folder / "inside/a", "x");
    co_await rf::io::link(folder / "inside/a", folder / "inside/b");
    co_await rf::io::symlink("a", folder / "inside/c");
    const auto entries = co_await rf::io::list(folder / "inside");
    CHECK(entries.size() == 3);
    for (const auto& entry : entries)
        co_await rf::io::unlink(folder / ("inside/" + entry.name));
    co_await rf::io::remove_directory(folder / "inside");
    const bool there = co_await rf::io::exists(folder / "inside");
    CHECK(!there);
}

RF_TEST("simulated files: what the disk says is what the program hears") {
    const auto missing = co_await rf::as_result(file::open("/nowhere/at/all"));
    REQUIRE(!missing);
    CHECK(missing.error().code() == ENOENT);
    file folder = co_await file::open("/");
    std::byte byte{};
    const auto read = co_await rf::as_result(folder.read_at(0, std::span(&byte, 1)));
    REQUIRE(!read);
    CHECK(read.error().code() == EISDIR);
}

RF_TEST("simulated files: one in memory has a size, and is read whole") {
    file memory = file::from_descriptor(
        rf::leakcheck::simulated_kernel::here().make_file("in memory"), "memory");
    const std::string text = co_await memory.read_all();
    CHECK(text == "in memory");
}

RF_TEST("simulated files: one that was opened outside of the test is used as any other") {
    const int bare = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
    file zero = file::from_descriptor(bare, "/dev/zero");
    std::array<std::byte, 8> bytes{std::byte{1}};
    const std::size_t got = co_await zero.read_at(0, bytes);
    CHECK(got == 8);
    CHECK(bytes[0] == std::byte{0});
}

TEST_CASE("simulated files: an open that is cancelled before it begins makes no file") {
    const rf::test::temporary_folder folder;
    std::vector<bool> made;
    auto opens = [&]() -> rf::task<> {
        const rf::scope_exit look([&] {
            made.push_back(exists(folder / "a"));
            ::unlink((folder / "a").c_str());
        });
        (void)co_await file::open(folder / "a", make_new);
    };
    auto report =
        for_each_cancel_point(opens, {.variants = injection::cancel_wins | injection::by_parent});
    CHECK_MESSAGE(report.ok(), report.failure);
    REQUIRE(made.size() >= 2);
    CHECK(made[0]);  // nothing was injected
    CHECK(!made[1]);

    made.clear();
    report = for_each_cancel_point(opens,
                                   {.variants = injection::completion_wins | injection::by_parent});
    CHECK_MESSAGE(report.ok(), report.failure);
    REQUIRE(made.size() >= 2);
    CHECK(made[1]);  // and the file was closed, or the report would say so
}

#if RF_EXCEPTIONS  // a fault is thrown
TEST_CASE("simulated files: every cancel point is clean, and every fault") {
    const rf::test::temporary_folder folder;
    const auto before = rf::leakcheck::process_state::now();
    const std::string path = folder / "";
    const auto report = for_each_cancel_point([&] { return save_and_load(path); });
    CHECK_MESSAGE(report.ok(), report.failure);
    CHECK(report.complete);
    CHECK(report.awaits_injected == report.awaits_executed);
    CHECK(report.faults > 20);
    CHECK(before.difference_to(rf::leakcheck::process_state::now()) == "");
}
#endif

TEST_CASE("simulated files: transfers fall short and requests take their time, with mischief") {
    const rf::test::temporary_folder folder;
    rf::leakcheck::bubble_options options;
    options.explore = rf::leakcheck::explore::random;
    options.budget.runs = 50;
    options.world = {};
    const std::string path = folder / "";
    const auto report = rf::leakcheck::bubble([&] { return save_and_load(path); }, options);
    CHECK_MESSAGE(report.ok(), report.failure);
}

TEST_CASE("simulated files: one that a cancel leaves open is found, and closed for the next run") {
    const auto before = rf::leakcheck::process_state::now();
    auto leaks = []() -> rf::task<> {
        const int bare = co_await bare_open("/dev/null");
        co_await rf::sleep_for(1ms);
        ::close(bare);
    };
    const auto report = for_each_cancel_point(leaks);
    CHECK(!report.ok());
    CHECK_MESSAGE(has(report.failure, "descriptors were left open"), report.failure);
    CHECK_MESSAGE(has(report.failure, "file /dev/null"), report.failure);
    CHECK(before.difference_to(rf::leakcheck::process_state::now()) == "");
}

TEST_CASE("simulated files: a FIFO is refused in a sentence") {
    const rf::test::temporary_folder folder;
    REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
    const std::string path = folder / "fifo";
    auto opens = [&]() -> rf::task<> { (void)co_await rf::as_result(file::open(path)); };
    const std::string failure = rf::leakcheck::bubble(opens).failure;
    CHECK_MESSAGE(has(failure, "fifo was refused: it is neither a file nor a directory"), failure);
    CHECK_MESSAGE(has(failure, "rf::run"), failure);
}
