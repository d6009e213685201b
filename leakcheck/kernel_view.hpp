// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/loop.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rf::leakcheck {

/// What the kernel says of one ring, in the fdinfo of its descriptor. It names requests only while
/// they wait for readiness, and is exact only while the ring is quiet.
struct ring_view {
    std::uint64_t unsubmitted = 0;                    // entries that the kernel has not taken
    std::uint64_t unreaped = 0;                       // completions that the loop has not taken
    std::uint64_t overflowed = 0;                     // completions the queue had no room for
    std::uint64_t files = 0;                          // slots of the table of registered files
    std::uint64_t buffers = 0;                        // slots of the table of registered buffers
    std::uint64_t buffers_held = 0;                   // those of them with a buffer
    std::map<std::uint32_t, std::string> files_held;  // slot -> the file in it
    std::map<unsigned, std::uint64_t> armed;          // opcode -> requests that wait for readiness

    /// False if `text` is not the fdinfo of a ring.
    [[nodiscard]] bool parse(std::string_view text);
    [[nodiscard]] std::uint64_t armed_count() const noexcept;
};

/// What a driver has registered with its ring. The slots are given to sockets that send often, and
/// the table stays when they are closed. The library registers no buffers: those of a buffer_pool
/// are in buffer rings, of which fdinfo says nothing.
struct ring_registrations {
    std::uint64_t files = 0;                // slots of the table of files
    std::vector<std::uint32_t> files_held;  // slots in use, in order
};

/// Compares what a loop believes it has with what the kernel says, class by class.
///
///     rf::leakcheck::kernel_reconciliation books;      // before the work
///     co_await work();
///     CHECK(books.findings() == "");                   // after it
///
/// Finds descriptors that somebody else has closed, or that were given out a second time while an
/// object still owns them; closes that failed for that reason; descriptors of the process that are
/// new and that no object owns; completions that nobody takes or that overflowed; requests that
/// wait in the kernel while the loop knows of none; slots of the ring's registered files that hold
/// what no object of the loop has put there, or have lost what one has; registered buffers, of
/// which this library has none.
///
/// Under the simulated driver only the books of descriptors and its own are compared. Where /proc
/// cannot be read, that is a finding too, in place of the comparison.
/// Call findings() when nothing is in flight: sockets let go of their requests a moment after they
/// are destroyed.
/// Threads: the loop's; other threads that open descriptors meanwhile are seen too.
class kernel_reconciliation {
public:
    kernel_reconciliation();

    /// One line each; empty if the books agree.
    [[nodiscard]] std::string findings() const;

    /// The part about one ring: `view` against what the loop counts and what its driver has
    /// registered. For findings(), and for tests.
    [[nodiscard]] static std::string compare(const ring_view& view, const accounting& counted,
                                             const ring_registrations& registered = {});

private:
    std::map<int, std::string> before_;  // descriptors of the process, with their targets
};

}  // namespace rf::leakcheck
