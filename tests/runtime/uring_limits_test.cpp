// SPDX-License-Identifier: MIT
// Limits, filters and kernels under which there is no ring, or a smaller one: each has its
// sentence.
#include "tests/runtime/uring_faults.hpp"
#include "tests/runtime/uring_fixture.hpp"
#include "tests/support/death.hpp"
#include <ringfence/runtime/run.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

using rf::test::faulty_kernel;

namespace {

/// The sentence with which a driver is refused; empty if it is not.
std::string refusal_of(const rf::uring_options& options) {
    std::string refusal;
    const auto driver = rf::make_uring_driver(options, refusal);
    CHECK((driver == nullptr) == !refusal.empty());
    CHECK(refusal.find('\n') == std::string::npos);
    return refusal;
}

/// The same on a kernel whose first setup fails.
std::string refusal_after(int error, int disabled_setting = -1) {
    faulty_kernel kernel;
    kernel.setups = {-error};
    kernel.disabled_setting = disabled_setting;
    return refusal_of(kernel.options());
}

bool says(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

/// For a child: prints what making a driver comes to.
void try_driver() {
    std::string refusal;
    const auto driver = rf::make_uring_driver({}, refusal);
    if (driver == nullptr)
        std::fprintf(stderr, "refused: %s", refusal.c_str());
    else
        std::fprintf(stderr, "entries: %u", rf::test::statistics(*driver).sq_entries);
}

/// For a child: goes on as a user without privileges, if it has any to give up.
void drop_privileges() {
    constexpr uid_t nobody = 65534;
    if (::geteuid() != 0) return;
    if (::setgroups(0, nullptr) != 0 || ::setgid(nobody) != 0 || ::setuid(nobody) != 0) ::_exit(70);
    ::prctl(PR_SET_DUMPABLE, 1);  // or /proc/self would belong to root
}

void limit_memory(rlim_t bytes) {
    const rlimit limit{bytes, bytes};
    if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) ::_exit(71);
    drop_privileges();
}

void forbid(unsigned system_call, unsigned error) {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, system_call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{std::size(program), program};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        ::_exit(72);
}

}  // namespace

TEST_CASE("uring driver: a kernel without io_uring is named, with the version that is needed") {
    const std::string refusal = refusal_after(ENOSYS);
    CHECK(says(refusal, "has no io_uring"));
    CHECK(says(refusal, "5.15"));
}

TEST_CASE("uring driver: a forbidden io_uring names who forbids it") {
    CHECK(says(refusal_after(EPERM, 2), "kernel.io_uring_disabled is 2"));
    CHECK(says(refusal_after(EPERM, 1), "kernel.io_uring_disabled is 1"));
    CHECK(says(refusal_after(EPERM, 1), "kernel.io_uring_group"));
    CHECK(says(refusal_after(EPERM, 0), "seccomp"));
    CHECK(says(refusal_after(EPERM, -1), "seccomp"));
    CHECK(says(refusal_after(EACCES, -1), "security module"));
}

TEST_CASE("uring driver: a seccomp filter is survived with a sentence") {
    const auto end = rf::test::run_to_death([] {
        forbid(__NR_io_uring_setup, EPERM);
        try_driver();
    });
    CHECK(end.status == 0);
    CHECK_MESSAGE(says(end.said, "seccomp"), end.said);
    CHECK(says(end.said, "io_uring_setup, io_uring_enter and io_uring_register"));
}

TEST_CASE("run: without a ring it prints the sentence and returns the status of a failure") {
    for (const unsigned error : {EPERM, ENOSYS}) {
        const auto end = rf::test::run_to_death([error] {
            forbid(__NR_io_uring_setup, error);
            bool ran = false;
            const int status = rf::run([&ran]() -> rf::task<> {
                ran = true;
                co_return;
            });
            ::_exit(ran ? 76 : status);
        });
        CHECK(end.status == rf::exit_status_failure);
        CHECK_MESSAGE(end.said.starts_with("ringfence: "), end.said);
        CHECK(says(end.said,
                   error == EPERM ? "io_uring is forbidden to this process" : "has no io_uring"));
        CHECK(end.said.find('\n') == end.said.size() - 1);
    }
}

TEST_CASE("uring driver: used up descriptors are named with the limit") {
    const auto end = rf::test::run_to_death([] {
        const rlimit few{3, 3};
        if (::setrlimit(RLIMIT_NOFILE, &few) != 0) ::_exit(71);
        drop_privileges();
        try_driver();
    });
    CHECK(end.status == 0);
    CHECK_MESSAGE(says(end.said, "RLIMIT_NOFILE is 3"), end.said);
    CHECK(says(refusal_after(ENFILE), "fs.file-max"));
}

TEST_CASE("uring driver: descriptors that run out after the ring leave nothing open") {
    (void)rf::test::make_driver();
    const auto end = rf::test::run_to_death([] {
        const std::size_t before = rf::test::open_descriptors();
        const int free = ::dup(STDERR_FILENO);  // the lowest free number, and the only one left
        ::close(free);
        const rlimit one_more{static_cast<rlim_t>(free) + 1, static_cast<rlim_t>(free) + 1};
        if (::setrlimit(RLIMIT_NOFILE, &one_more) != 0) ::_exit(71);
        drop_privileges();
        try_driver();
        if (rf::test::open_descriptors() != before) ::_exit(73);
    });
    CHECK(end.status == 0);
    CHECK_MESSAGE(says(end.said, "RLIMIT_NOFILE"), end.said);
}

TEST_CASE("uring driver: too little lockable memory is named with the limit") {
    if (::geteuid() != 0) return;  // the limit is shared with all else this user runs
    const auto end = rf::test::run_to_death([] {
        limit_memory(4096);
        try_driver();
    });
    CHECK(end.status == 0);
    CHECK_MESSAGE(says(end.said, "refused:"), end.said);
    CHECK(says(end.said, "RLIMIT_MEMLOCK is 4 KiB"));
}

TEST_CASE("uring driver: little lockable memory gives a smaller ring that works") {
    if (::geteuid() != 0) return;
    const auto end = rf::test::run_to_death([] {
        limit_memory(64 * 1024);
        auto driver = rf::test::make_driver();
        const unsigned entries = rf::test::statistics(*driver).sq_entries;
        if (entries >= 512 || entries < 16) ::_exit(74);
        for (std::uint64_t i = 0; i < 1000; ++i)
            rf::test::queue_nop(*driver, rf::test::numbered(i));
        if (rf::test::collect(*driver, 1000).size() != 1000) ::_exit(75);
    });
    CHECK_MESSAGE(end.status == 0, end.said);
}

TEST_CASE("uring driver: 300 are made and destroyed without privileges") {
    // Memory of a ring counts until a while after it was closed, so that this runs into the limit.
    const auto end = rf::test::run_to_death([] {
        limit_memory(1024 * 1024);
        for (int i = 0; i < 300; ++i) {
            auto driver = rf::test::make_driver();
            rf::test::queue_nop(*driver, rf::test::numbered(0));
            if (rf::test::collect(*driver, 1).size() != 1) ::_exit(75);
        }
    });
    CHECK_MESSAGE(end.status == 0, end.said);
}

TEST_CASE("uring driver: setup waits for memory that comes back, and keeps its size") {
    faulty_kernel kernel;
    kernel.setups.assign(8, -ENOMEM);
    CHECK(refusal_of(kernel.options(64, 128)).empty());
    CHECK(kernel.pauses.size() == 8);
    CHECK(kernel.setup_entries_asked.back() == 64);
}

TEST_CASE("uring driver: setup makes do with half when memory does not come back") {
    faulty_kernel kernel;
    kernel.setup_entries_max = 100;
    auto driver = rf::test::make_driver(kernel.options(512, 2048));
    CHECK(rf::test::statistics(*driver).sq_entries == 64);
    CHECK(rf::test::statistics(*driver).cq_entries == 256);
    kernel.setup_entries_max = 0;
    CHECK(says(refusal_of(kernel.options()), "RLIMIT_MEMLOCK"));
    CHECK(kernel.setup_entries_asked.back() == 16);
}

TEST_CASE("uring driver: a flag that the kernel does not know costs that flag, not the ring") {
    struct rung {
        unsigned refused;
        bool defer, coop, submit_all;
    };
    const auto whole = rf::test::make_driver()->features();
    for (const rung& step :
         {rung{IORING_SETUP_DEFER_TASKRUN, false, true, true},
          rung{IORING_SETUP_SINGLE_ISSUER, false, true, true},
          rung{IORING_SETUP_TASKRUN_FLAG, false, false, true},
          rung{IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN, false, false, true},
          rung{IORING_SETUP_SUBMIT_ALL, false, false, false}}) {
        CAPTURE(step.refused);
        faulty_kernel kernel;
        kernel.setup_flags_refused = step.refused;
        auto driver = rf::test::make_driver(kernel.options());
        CHECK(driver->features().defer_taskrun == (step.defer && whole.defer_taskrun));
        CHECK(driver->features().coop_taskrun == (step.coop && whole.coop_taskrun));
        CHECK(driver->features().submit_all == (step.submit_all && whole.submit_all));
        rf::test::queue_nop(*driver, rf::test::numbered(0));
        CHECK(rf::test::collect(*driver, 1).size() == 1);
    }
    faulty_kernel none;
    none.setup_flags_refused = ~0U;
    CHECK(says(refusal_of(none.options()), "plainest"));
}

TEST_CASE("uring driver: disabled ring flags are not asked for") {
    struct disabled {
        const char* mask;
        unsigned flags;
    };
    for (const auto& [mask, flags] :
         {disabled{"defer_taskrun", IORING_SETUP_DEFER_TASKRUN},
          disabled{"defer_taskrun,coop_taskrun",
                   IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN},
          disabled{"submit_all", IORING_SETUP_SUBMIT_ALL}}) {
        CAPTURE(mask);
        const rf::test::disabled_features disable(mask);
        faulty_kernel kernel;
        auto driver = rf::test::make_driver(kernel.options());
        CHECK((kernel.setups_asked.back().flags & flags) == 0);
    }
}

TEST_CASE("uring driver: a ring that cannot be used leaves no descriptor") {
    (void)rf::test::make_driver();
    const std::size_t before = rf::test::open_descriptors();
    faulty_kernel kernel;
    kernel.setup_features_hidden = IORING_FEAT_SINGLE_MMAP;  // before 5.4
    CHECK_FALSE(refusal_of(kernel.options()).empty());
    kernel.setup_features_hidden = 0;
    kernel.last_opcode = IORING_OP_UNLINKAT;
    CHECK_FALSE(refusal_of(kernel.options()).empty());
    CHECK(rf::test::open_descriptors() == before);
}

TEST_CASE("uring driver: a kernel before 5.15 is refused with the version that is needed") {
    faulty_kernel kernel;
    kernel.last_opcode = IORING_OP_UNLINKAT;  // 5.11
    CHECK(says(refusal_of(kernel.options()), "5.15 or newer"));
    kernel.last_opcode.reset();
    kernel.registers_refused.set(IORING_REGISTER_PROBE);
    CHECK(says(refusal_of(kernel.options()), "5.15 or newer"));
    kernel.registers_refused.reset();
    kernel.setup_features_hidden = IORING_FEAT_EXT_ARG;
    CHECK(says(refusal_of(kernel.options()), "lacks features 0x100"));
}

TEST_CASE("uring driver: a word in RF_DISABLE that names nothing is refused") {
    const rf::test::disabled_features mask("multishot,mulitshot");
    const std::string refusal = refusal_of({});
    CHECK(says(refusal, "`mulitshot`"));
    CHECK(says(refusal, "RF_DISABLE"));
}

TEST_CASE("uring driver: what else setup may say is passed on") {
    CHECK(says(refusal_after(EIO), "Input/output error"));
}

TEST_CASE("uring driver: ring registration and worker cap may be refused without harm") {
    faulty_kernel kernel;
    kernel.registers_refused.set(IORING_REGISTER_RING_FDS);
    kernel.registers_refused.set(IORING_REGISTER_IOWQ_MAX_WORKERS);
    auto driver = rf::test::make_driver(kernel.options());
    CHECK_FALSE(driver->features().registered_ring);
    CHECK_FALSE(driver->features().iowq_limit);
    rf::test::queue_nop(*driver, rf::test::numbered(0));
    CHECK(rf::test::collect(*driver, 1).size() == 1);
}
