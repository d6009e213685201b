// SPDX-License-Identifier: MIT
#include "tests/io/real_run.hpp"
#include "tests/support/environment.hpp"
#include <ringfence/io/process.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

using rf::io::exit_status;
using rf::io::pipe_reader;
using rf::io::process;
using rf::io::stdio;

namespace {

process shell(const std::string& script, const rf::io::spawn_options& options = {}) {
    return process::spawn({"/bin/sh", "-c", script}, options);
}

rf::task<std::string> read_to_end(pipe_reader& from) {
    std::string all;
    std::array<std::byte, 4096> part;
    for (;;) {
        const std::size_t got = co_await from.read_some(part);
        if (got == 0) break;
        all.append(reinterpret_cast<const char*>(part.data()), got);
    }
    co_return all;
}

rf::task<std::string> output_of(std::vector<std::string> arguments,
                                rf::io::spawn_options options = {}) {
    options.output = stdio::piped();
    process child = process::spawn(arguments, options);
    std::string all = co_await read_to_end(child.output);
    const exit_status end = co_await child.wait();
    CHECK(end.success());
    co_return all;
}

// No child of this process is left, running or zombie.
bool childless() {
    errno = 0;
    return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD;
}

}  // namespace

TEST_CASE("process: the exit status tells how it ended") {
    test::run_clean([]() -> rf::task<> {
        process three = shell("exit 3");
        const exit_status end = co_await three.wait();
        CHECK(end == exit_status::of_exit(3));
        CHECK(end.to_string() == "exit 3");
        CHECK(!end.success());
        const exit_status again = co_await three.wait();
        CHECK(again == end);
        CHECK(!three.kill(SIGTERM));

        process shot = shell("kill -KILL $$");
        const exit_status killed = co_await shot.wait();
        CHECK(killed.signal() == SIGKILL);
        CHECK(killed.to_string() == "SIGKILL");
    });
    CHECK(childless());
}

TEST_CASE("process: piped input and output carry bytes both ways") {
    test::run_clean([]() -> rf::task<> {
        process cat = process::spawn({"cat"}, {.input = stdio::piped(), .output = stdio::piped()});
        const std::string text(300'000, 'x');
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                co_await cat.input.write_all(text);
                cat.input.close();
            });
            const std::string got = co_await read_to_end(cat.output);
            CHECK(got == text);
        });
        const exit_status end = co_await cat.wait();
        CHECK(end.success());
    });
    CHECK(childless());
}

TEST_CASE("process: directory, environment and standard descriptors are as asked for") {
    test::run_clean([]() -> rf::task<> {
        const test::temporary_folder folder;
        // Hoisted: GCC 12 breaks braced lists of class type next to a co_await.
        const std::vector<std::string> pwd{"pwd"};
        const std::vector<std::string> echo{"/bin/sh", "-c", "echo $RINGFENCE"};
        const std::vector<std::string> cat{"cat"};
        const std::string where = co_await output_of(pwd, {.directory = folder.path()});
        CHECK(where == folder.path() + "\n");

        const std::vector<std::string> environment{"RINGFENCE=yes", "PATH=/usr/bin:/bin"};
        const std::string set = co_await output_of(echo, {.environment = &environment});
        CHECK(set == "yes\n");

        const std::string nothing = co_await output_of(cat, {.input = stdio::null()});
        CHECK(nothing.empty());

        int fds[2];
        REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
        process child = shell("echo out; echo err >&2",
                              {.output = stdio::from(fds[1]), .errors = stdio::piped()});
        ::close(fds[1]);
        pipe_reader out = pipe_reader::from_descriptor(fds[0]);
        const std::string said = co_await read_to_end(out);
        CHECK(said == "out\n");
        const std::string complained = co_await read_to_end(child.errors);
        CHECK(complained == "err\n");
        co_await child.wait();
    });
}

TEST_CASE("process: starts with no descriptor but three and no signal blocked or ignored") {
    const int open_to_all = ::open("/dev/null", O_RDONLY);  // tidy: not close-on-exec on purpose
    sigset_t block;
    sigset_t before;
    ::sigemptyset(&block);
    ::sigaddset(&block, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &block, &before);
    test::run_clean([]() -> rf::task<> {
        rf::io::pipe_ends unrelated = rf::io::make_pipe();  // has SIGPIPE ignored
        const std::vector<std::string> list{"ls", "/proc/self/fd"};
        const std::string open = co_await output_of(list);
        CHECK(open == "0\n1\n2\n3\n");  // 3: the folder that ls reads
        const std::vector<std::string> grep{"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"};
        const std::string masks = co_await output_of(grep);
        // The C library keeps the two it has for itself, 32 and 33, ignored.
        CHECK(masks.find("SigBlk:\t0000000000000000\nSigIgn:\t0000000") == 0);
        CHECK((masks.ends_with("00000000\n") || masks.ends_with("80000000\n")));
    });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::close(open_to_all);
}

TEST_CASE("process: is killed and reaped when its object goes") {
    pid_t pid = 0;
    test::run_clean([&]() -> rf::task<> {
        process child = process::spawn({"sleep", "1000"});
        pid = child.pid();
        CHECK(::kill(pid, 0) == 0);
        co_return;
    });
    CHECK(::kill(pid, 0) == -1);
    CHECK(childless());
}

TEST_CASE("process: a cancelled wait leaves it running, a cancelled scope ends it") {
    test::run_clean([]() -> rf::task<> {
        process child = process::spawn({"sleep", "1000"});
        const auto end = co_await rf::move_on_after(std::chrono::milliseconds(5), child.wait());
        CHECK(!end);
        CHECK(child.kill(0));

        const bool finished =
            co_await rf::move_on_after(std::chrono::milliseconds(5), []() -> rf::task<> {
                process inner = process::spawn({"sleep", "1000"});
                co_await inner.wait();
            });
        CHECK(!finished);
    });
    CHECK(childless());
}

TEST_CASE("process: a group ends with its leader's object, or with its leader") {
    test::run_clean([]() -> rf::task<> {
        // The grandchild holds the pipe: its end is the end of the stream.
        for (const char* script : {"sleep 1000 & echo ready; wait", "sleep 1000 & echo ready"}) {
            pipe_reader output;
            {
                process leader = shell(script, {.output = stdio::piped(), .new_group = true});
                std::array<std::byte, 16> ready;
                co_await leader.output.read_some(ready);
                output = std::move(leader.output);
                if (std::string_view(script).ends_with("ready")) co_await leader.wait();
            }
            const std::string rest = co_await read_to_end(output);
            CHECK(rest.empty());
        }
    });
    CHECK(childless());
}

TEST_CASE("process: several tasks hear of one end") {
    test::run_clean([]() -> rf::task<> {
        process child = shell("exit 7");
        int heard = 0;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 3; ++i)
                all.spawn([&]() -> rf::task<> {
                    const exit_status end = co_await child.wait();
                    heard += end.code();
                });
            co_return;
        });
        CHECK(heard == 21);
    });
}

TEST_CASE("process: terminate asks first and then insists") {
    test::run_clean([]() -> rf::task<> {
        process obedient = process::spawn({"sleep", "1000"});
        const exit_status asked = co_await obedient.terminate(std::chrono::seconds(60));
        CHECK(asked.signal() == SIGTERM);

        process stubborn = shell("trap '' TERM; echo ready; read never",
                                 {.input = stdio::piped(), .output = stdio::piped()});
        std::array<std::byte, 16> ready;
        co_await stubborn.output.read_some(ready);
        const exit_status killed = co_await stubborn.terminate(std::chrono::milliseconds(10));
        CHECK(killed.signal() == SIGKILL);
    });
}

#if RF_EXCEPTIONS
TEST_CASE("process: a program or a directory that is not there is named") {
    // A folder that must not be read, as another user's, would make it EACCES.
    const rf::test::environment_variable path("PATH", "/usr/bin:/bin");
    test::run_clean([]() -> rf::task<> {
        std::string said;
        try {
            (void)process::spawn({"no-such-program"}, {.input = stdio::piped()});
        } catch (const rf::io_error& error) {
            said = error.what();
            CHECK(error.error().code() == ENOENT);
        }
        CHECK(said == "start process \"no-such-program\": No such file or directory (ENOENT)");
        try {
            (void)process::spawn({"true"}, {.directory = "/no/such/folder"});
        } catch (const rf::io_error& error) {
            said = error.what();
        }
        CHECK(said.find("\"true\" in directory \"/no/such/folder\"") != std::string::npos);
        co_return;
    });
    CHECK(childless());
}
#endif
