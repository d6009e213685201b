// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/uring_options.hpp>
#include <ringfence/runtime/uring_syscalls.hpp>

#include <bitset>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

namespace rf::test {

/// The kernel's system calls with scripted answers in between. What the script does not say, the
/// kernel answers.
class faulty_kernel {
public:
    /// What one io_uring_enter does instead.
    struct entry {
        int result = 0;             // what is returned; with `lets_through`, if negative
        unsigned lets_through = 0;  // how many requests the kernel is shown first
        bool honest = false;        // return the kernel's own count of those
    };

    faulty_kernel() noexcept;
    faulty_kernel(const faulty_kernel&) = delete;
    faulty_kernel& operator=(const faulty_kernel&) = delete;

    [[nodiscard]] const rf::detail::uring_syscalls& table() const noexcept { return table_; }
    [[nodiscard]] rf::uring_options options(unsigned entries = 512, unsigned cq_entries = 2048) {
        return {.entries = entries, .cq_entries = cq_entries, .syscalls = &table_};
    }

    std::deque<entry> enters;             // answers to the next calls, in order
    std::deque<int> setups;               // negative errnos for the next setups
    unsigned setup_flags_refused = 0;     // any of these flags: EINVAL
    unsigned setup_features_hidden = 0;   // taken out of the answer
    unsigned setup_entries_max = ~0U;     // a larger ring: ENOMEM
    std::bitset<64> registers_refused;    // by opcode: EINVAL
    std::optional<unsigned> last_opcode;  // REGISTER_PROBE tells of no later one
    int disabled_setting = -1;

    // What was asked.
    std::vector<io_uring_params> setups_asked;
    std::vector<unsigned> setup_entries_asked;
    std::vector<std::chrono::nanoseconds> pauses;
    unsigned enters_asked = 0;
    unsigned timed_enters_asked = 0;

private:
    int on_setup(unsigned entries, io_uring_params* params) noexcept;
    int on_enter(int fd, unsigned to_submit, unsigned min_complete, unsigned flags,
                 const void* argument, std::size_t size) noexcept;
    int on_register(int fd, unsigned opcode, void* argument, unsigned count) noexcept;

    rf::detail::uring_syscalls table_;
};

}  // namespace rf::test
