// SPDX-License-Identifier: MIT
#include "tests/io/real_run.hpp"
#include <ringfence/io/error_table.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <string>

using rf::io::classify;
using rf::io::errno_action;
using rf::io::request_kind;

namespace {
constexpr int errno_last = 133;
}

TEST_CASE("error table: every errno means something for every request") {
    for (unsigned kind = 0; kind < rf::io::request_kinds; ++kind) {
        const auto request = static_cast<request_kind>(kind);
        CHECK(std::string(rf::io::to_string(request)).size() > 2);
        for (int code = 1; code <= errno_last; ++code) {
            const auto meaning = classify(request, code);
            REQUIRE(meaning.hint != nullptr);
            // Whoever is told to act is told what to do; what the library deals with needs no hint.
            const bool needs_hint =
                meaning.action == errno_action::limit || meaning.action == errno_action::bug;
            if (needs_hint) CHECK(meaning.hint[0] != '\0');
            if (!needs_hint && meaning.action != errno_action::fail) CHECK(meaning.hint[0] == '\0');
        }
    }
}

TEST_CASE("error table: what only a bug can cause is a bug for every request") {
    for (unsigned kind = 0; kind < rf::io::request_kinds; ++kind) {
        const auto request = static_cast<request_kind>(kind);
        CHECK(classify(request, EBADF).action == errno_action::bug);
        CHECK(classify(request, EFAULT).action == errno_action::bug);
        // What a peer or the world can cause never is.
        for (const int code : {ECONNRESET, EPIPE, ENOENT, EACCES, EIO, ETIMEDOUT, EINVAL})
            CHECK(classify(request, code).action == errno_action::fail);
    }
}

TEST_CASE("error table: a connection that died in the backlog does not end a listener") {
    for (const int code : {ECONNABORTED, EPROTO, EHOSTUNREACH})
        CHECK(classify(request_kind::accept, code).action == errno_action::retry);
    CHECK(classify(request_kind::receive, ECONNABORTED).action == errno_action::fail);
}

TEST_CASE("error table: limits name the remedy") {
    CHECK(std::string(classify(request_kind::accept, EMFILE).hint).find("RLIMIT_NOFILE") !=
          std::string::npos);
    CHECK(std::string(classify(request_kind::write, EFBIG).hint).find("RLIMIT_FSIZE") !=
          std::string::npos);
    CHECK(std::string(classify(request_kind::write, EIO).hint).empty());
}

#if RF_EXCEPTIONS
TEST_CASE("error table: what is thrown says what failed, what it was about, and the remedy") {
    CHECK_THROWS_WITH_AS(
        rf::io::throw_failure(request_kind::write, "write", ENOSPC, "/x"),
        "write /x: No space left on device (ENOSPC): no room is left on the file system",
        rf::io_error);
    CHECK_THROWS_WITH_AS(rf::io::throw_failure(request_kind::write, "write", EIO, "/x"),
                         "write /x: Input/output error (EIO)", rf::io_error);
}
#endif

TEST_CASE("error table: what the kernel lets through after a cancel is a cancel") {
    for (const int code : {ECANCELED, 512, 513, 514, 516})
        CHECK(classify(request_kind::read, code).action == errno_action::cancelled);
    CHECK(classify(request_kind::read, EINTR).action == errno_action::retry);
    CHECK(classify(request_kind::read, EAGAIN).action == errno_action::wait);
}

TEST_CASE("error table: a bug aborts with its cause, a failure is a value") {
    CHECK(rf::io::to_error(request_kind::read, "read", EIO).message() ==
          "read: Input/output error (EIO)");
    const std::string said =
        test::abort_message([] { (void)rf::io::to_error(request_kind::read, "read", EBADF); });
    CHECK(said.find("read was refused with EBADF: the descriptor is not open") !=
          std::string::npos);
}
