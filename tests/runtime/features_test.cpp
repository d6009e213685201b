// SPDX-License-Identifier: MIT
#include "tests/runtime/uring_faults.hpp"
#include "tests/runtime/uring_fixture.hpp"
#include "tests/support/scripted_driver.hpp"
#include <ringfence/runtime/features.hpp>
#include <ringfence/runtime/uring_probe.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <sstream>
#include <string>

using rf::kernel_features;
using rf::mask_features;
using rf::test::all_features;

namespace {

std::string left_by(std::string_view mask) {
    kernel_features features = all_features();
    CHECK(mask_features(features, mask).empty());
    return features.describe();
}

bool probe(const rf::test::faulty_kernel& kernel, kernel_features& features) {
    std::string refusal;
    return rf::detail::probe_features(kernel.table(), features, refusal);
}

}  // namespace

TEST_CASE("features: an empty mask takes nothing") {
    CHECK(left_by("") == all_features().describe());
    CHECK(left_by(" , ,,") == all_features().describe());
}

TEST_CASE("features: every name that describe gives can be disabled, alone") {
    std::istringstream names(all_features().describe());
    int count = 0;
    for (std::string name; names >> name; ++count) {
        CAPTURE(name);
        kernel_features features = all_features();
        CHECK(mask_features(features, name).empty());
        CHECK((" " + features.describe() + " ").find(" " + name + " ") == std::string::npos);
        CHECK_FALSE(features == all_features());
    }
    CHECK(count == sizeof(kernel_features));
}

TEST_CASE("features: several names are separated by commas, with or without blanks") {
    kernel_features expected = all_features();
    expected.send_zc = expected.msg_ring = false;
    for (const char* mask : {"send_zc,msg_ring", " send_zc ,\tmsg_ring,", "msg_ring,,send_zc"})
        CHECK(left_by(mask) == expected.describe());
}

TEST_CASE("features: what receives into buffer rings goes with them") {
    kernel_features expected = all_features();
    expected.buf_ring = expected.multishot_recv = expected.multishot_recvmsg = false;
    CHECK(left_by("buf_ring") == expected.describe());
}

TEST_CASE("features: `multishot` stands for all of them") {
    kernel_features expected = all_features();
    expected.multishot_accept = expected.multishot_recv = expected.multishot_recvmsg =
        expected.multishot_poll = false;
    CHECK(left_by("multishot") == expected.describe());
}

TEST_CASE("features: `6.1` and `5.15` leave what those kernels have") {
    kernel_features expected = all_features();
    expected.no_iowait = expected.fixed_files = false;
    CHECK(left_by("6.1") == expected.describe());
    CHECK(left_by("5.15") == "multishot_poll iowq_limit");
}

TEST_CASE("features: the first unknown name is returned, and the known ones are disabled") {
    kernel_features features = all_features();
    CHECK(mask_features(features, "send_zc, typo ,other,msg_ring") == "typo");
    CHECK_FALSE(features.send_zc);
    CHECK_FALSE(features.msg_ring);
    CHECK(mask_features(features, "Send_zc") == "Send_zc");
    CHECK(mask_features(features, "multi") == "multi");
}

TEST_CASE("features: a driver has those of the kernel less those disabled") {
    kernel_features known;
    std::string refusal;
    REQUIRE_MESSAGE(rf::detail::probe_features_once(known, refusal), refusal);
    const auto whole = rf::test::make_driver()->features();
    for (const char* mask : {"", "multishot", "buf_ring", "registered_ring,iowq_limit", "6.1",
                             "5.15", "defer_taskrun", "defer_taskrun,coop_taskrun"}) {
        CAPTURE(mask);
        const rf::test::disabled_features disabled(mask);
        kernel_features expected = whole;
        REQUIRE(mask_features(expected, mask).empty());
        CHECK(rf::test::make_driver()->features().describe() == expected.describe());
    }
}

TEST_CASE("features: a kernel that refuses buffer rings has none, nor what needs them") {
    rf::test::faulty_kernel kernel;
    kernel.registers_refused.set(IORING_REGISTER_PBUF_RING);
    kernel_features features;
    REQUIRE(probe(kernel, features));
    CHECK_FALSE(features.buf_ring);
    CHECK_FALSE(features.multishot_recv);
    CHECK_FALSE(features.multishot_recvmsg);
    CHECK(features.multishot_poll);
}

TEST_CASE("features: registrations that are refused are no features") {
    rf::test::faulty_kernel kernel;
    kernel.registers_refused.set(IORING_REGISTER_RING_FDS);
    kernel.registers_refused.set(IORING_REGISTER_IOWQ_MAX_WORKERS);
    kernel.setup_features_hidden = 1U << 17;
    kernel.last_opcode = IORING_OP_LINKAT;
    kernel_features features;
    REQUIRE(probe(kernel, features));
    CHECK_FALSE(features.registered_ring);
    CHECK_FALSE(features.iowq_limit);
    CHECK_FALSE(features.no_iowait);
    CHECK_FALSE(features.send_zc);
    CHECK_FALSE(features.msg_ring);
}

TEST_CASE("features: a probe without a ring says why") {
    rf::test::faulty_kernel kernel;
    kernel.setups = {-ENOSYS};
    kernel_features features;
    std::string refusal;
    CHECK_FALSE(rf::detail::probe_features(kernel.table(), features, refusal));
    CHECK(refusal.find("no io_uring") != std::string::npos);
}

TEST_CASE("features: probing leaves no descriptor open") {
    kernel_features features;
    const rf::test::faulty_kernel kernel;
    const std::size_t before = rf::test::open_descriptors();
    for (int i = 0; i < 10; ++i)
        REQUIRE(probe(kernel, features));
    CHECK(rf::test::open_descriptors() == before);
}

TEST_CASE("features: interrupted system calls do not change what is found") {
    rf::test::faulty_kernel kernel;
    kernel_features calm;
    REQUIRE(probe(kernel, calm));
    for (int i = 0; i < 20; ++i) {
        kernel.enters.push_back({-EINTR});
        kernel.enters.push_back({0, 1, true});
    }
    kernel_features disturbed;
    REQUIRE(probe(kernel, disturbed));
    CHECK(disturbed.describe() == calm.describe());
}
