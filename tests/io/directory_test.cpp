// SPDX-License-Identifier: MIT
#include "tests/io/real_run.hpp"
#include <ringfence/io/directory.hpp>
#include <ringfence/io/file.hpp>
#include <ringfence/runtime/cancel_scope.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <string>
#include <unistd.h>

namespace io = rf::io;

namespace {
rf::task<> write_file(std::string path, std::string text) {
    io::file made = co_await io::file::open(std::move(path), {.write = true, .create = true});
    co_await made.write_all_at(0, text);
}
}  // namespace

TEST_CASE("directory: status tells type, size, links and time") {
    test::run_clean([]() -> rf::task<> {
        const test::temporary_folder folder;
        co_await write_file(folder / "a", "12345");
        co_await io::link(folder / "a", folder / "b");
        co_await io::symlink("a", folder / "c");
        const io::file_status file = co_await io::status(folder / "a");
        CHECK(file.type == io::file_type::regular);
        CHECK(file.size == 5);
        CHECK(file.links == 2);
        CHECK(file.owner == ::geteuid());
        const auto age = std::chrono::system_clock::now() - file.modified;
        CHECK(age < std::chrono::minutes(5));
        CHECK(age > std::chrono::minutes(-5));
        const io::file_status same = co_await io::status(folder / "b");
        CHECK(same.inode == file.inode);
        const io::file_status through = co_await io::status(folder / "c");
        CHECK(through.inode == file.inode);
        const io::file_status itself = co_await io::link_status(folder / "c");
        CHECK(itself.type == io::file_type::symlink);
        const io::file_status around = co_await io::status(folder.path());
        CHECK(around.type == io::file_type::directory);
    });
}

TEST_CASE("directory: things are made, renamed and removed") {
    test::run_clean([]() -> rf::task<> {
        const test::temporary_folder folder;
        co_await io::make_directory(folder / "d", 0700);
        const io::file_status made = co_await io::status(folder / "d");
        CHECK((made.permissions & 0077) == 0);
        co_await write_file(folder / "d/x", "x");
        co_await write_file(folder / "d/y", "y");
        const auto full = co_await rf::as_result(io::remove_directory(folder / "d"));
        REQUIRE(!full);
        CHECK(full.error().code() == ENOTEMPTY);

        const auto refused = co_await rf::as_result(io::rename_new(folder / "d/x", folder / "d/y"));
        REQUIRE(!refused);
        CHECK(refused.error().code() == EEXIST);
        co_await io::rename(folder / "d/x", folder / "d/y");
        const bool gone = co_await io::exists(folder / "d/x");
        CHECK(!gone);
        co_await io::unlink(folder / "d/y");
        co_await io::remove_directory(folder / "d");
        const bool removed = co_await io::exists(folder / "d/y");
        CHECK(!removed);
        const bool there = co_await io::exists(folder.path());
        CHECK(there);
    });
}

TEST_CASE("directory: list gives the entries by name") {
    test::run_clean([]() -> rf::task<> {
        const test::temporary_folder folder;
        co_await write_file(folder / "b", "");
        co_await io::make_directory(folder / "a");
        co_await io::symlink("nowhere", folder / ".c");
        const auto entries = co_await io::list(folder.path());
        REQUIRE(entries.size() == 3);
        CHECK(entries[0].name == ".c");
        CHECK(entries[0].type == io::file_type::symlink);
        CHECK(entries[1].name == "a");
        CHECK(entries[1].type == io::file_type::directory);
        CHECK(entries[2].type == io::file_type::regular);
    });
}

TEST_CASE("directory: what was cancelled before it began has not happened") {
    test::run_clean([]() -> rf::task<> {
        const test::temporary_folder folder;
        rf::cancel_scope scope;
        scope.cancel();
        const bool made = co_await scope.run(io::make_directory(folder / "d"));
        CHECK(!made);
        const bool there = co_await io::exists(folder / "d");
        CHECK(!there);
    });
}

#if RF_EXCEPTIONS
TEST_CASE("directory: errors name the paths") {
    test::run_clean([]() -> rf::task<> {
        const std::string said = co_await test::failure_of(io::rename("/no/a", "/no/b"));
        CHECK(said == "rename /no/a -> /no/b: No such file or directory (ENOENT)");
        const std::string list = co_await test::failure_of(io::list("/no/such"));
        CHECK(list == "list /no/such: No such file or directory (ENOENT)");
    });
}
#endif
