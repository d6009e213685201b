// SPDX-License-Identifier: MIT
#include "tests/support/temporary_folder.hpp"
#include <ringfence/runtime/processors.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace {

/// A tree of files in place of the system's.
class false_root {
public:
    false_root& write(const std::string& name, const std::string& text) {
        const std::filesystem::path file = root_ / name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file) << text;
        return *this;
    }
    [[nodiscard]] std::uint32_t paid() const {
        return rf::detail::processors_paid_for(root_.path());
    }

private:
    rf::test::temporary_folder root_;
};

}  // namespace

TEST_CASE("usable_processors: at least one, and no more than the affinity allows") {
    CHECK(rf::usable_processors() >= 1);
    CHECK(rf::usable_processors() <= rf::detail::allowed_processors().size());
}

TEST_CASE("usable_processors: without a quota there is no limit") {
    CHECK(false_root().paid() == 0);
    false_root v2;
    v2.write("proc/self/cgroup", "0::/a\n").write("sys/fs/cgroup/a/cpu.max", "max 100000\n");
    CHECK(v2.paid() == 0);
    false_root v1;
    v1.write("proc/self/cgroup", "3:cpu,cpuacct:/\n")
        .write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n")
        .write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    CHECK(v1.paid() == 0);
}

TEST_CASE("usable_processors: the lowest quota of the cgroup and those around it, rounded up") {
    false_root v2;
    v2.write("proc/self/cgroup", "0::/service/job\n")
        .write("sys/fs/cgroup/service/job/cpu.max", "800000 100000\n")
        .write("sys/fs/cgroup/service/cpu.max", "250000 100000\n");
    CHECK(v2.paid() == 3);
    v2.write("sys/fs/cgroup/cpu.max", "1000 100000\n");
    CHECK(v2.paid() == 1);
}

TEST_CASE("usable_processors: version 1, and the mount itself where the path is not visible") {
    false_root v1;
    v1.write("proc/self/cgroup", "5:memory:/x\n4:cpu,cpuacct:/docker/abc\n")
        .write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000\n")
        .write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    CHECK(v1.paid() == 2);
}

TEST_CASE("usable_processors: files that say nothing sensible are no limit") {
    false_root odd;
    odd.write("proc/self/cgroup", "nonsense\n0::/\n").write("sys/fs/cgroup/cpu.max", "0 0\n");
    CHECK(odd.paid() == 0);
}
