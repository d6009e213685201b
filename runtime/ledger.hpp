// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/runtime/resource.hpp>

#include <cstdint>
#include <source_location>
#include <string>
#include <vector>

namespace rf {

class loop;

/// One descriptor that an I/O object holds open: who opened it, and where.
struct descriptor_entry : detail::list_hook {
    int fd = -1;
    const char* kind = "";           // "tcp listener", "tcp stream", "file"
    std::uint64_t task_id = 0;       // of the task that opened it; 0 outside tasks
    std::source_location opened{};   // the co_await or call that opened it
    const char* function = nullptr;  // and the coroutine that line is in
    std::uint32_t guard = 0;         // the innermost leak guard around that task; 0: none
    instant since = 0;               // when, by the loop's clock
    // Its async stack is in loop::openings(), where that is kept.

    /// Enters the calling thread's ledger, naming the current task and its line.
    void open(int descriptor, const char* what) noexcept;
    /// Leaves it. The descriptor itself is the caller's to close.
    void close() noexcept;
    [[nodiscard]] bool is_open() const noexcept { return fd >= 0; }
    /// As what a leak report or a profile shows; `of` is the loop that it is open on.
    [[nodiscard]] resource as_resource(const loop& of) const;
    ~descriptor_entry();

private:
    /// Tells it from others in openings: descriptors' own numbers come again before a ring closes
    /// them.
    [[nodiscard]] std::uint64_t number() const noexcept {
        return reinterpret_cast<std::uint64_t>(this);
    }
};

/// The descriptors that a loop's objects hold open, oldest first.
///
/// Threads: one loop. Cost: a dozen stores per open and close.
class ledger {
public:
    /// Calls `visit(const descriptor_entry&)` for each.
    template <class Visit>
    void for_each(Visit&& visit) const {
        descriptors_.for_each(static_cast<Visit&&>(visit));
    }

    /// One line per open descriptor, for reports.
    [[nodiscard]] std::string describe() const;

    /// A close that the kernel refused because the descriptor was not open: somebody else had
    /// closed it. `entry` need not be in the ledger any more.
    void closed_twice(const descriptor_entry& entry, int descriptor);
    /// What a kernel in memory will not do with a descriptor, in a sentence of its own.
    void refused(std::string sentence);
    /// What went wrong with descriptors so far, one line each; at most 64 are kept.
    [[nodiscard]] const std::vector<std::string>& faults() const noexcept { return faults_; }
    void clear_faults() noexcept { faults_.clear(); }

    /// The loop ends before its objects: their entries are no longer open, their descriptors leak.
    void abandon() noexcept;

private:
    friend struct descriptor_entry;
    detail::intrusive_list<descriptor_entry> descriptors_;
    std::vector<std::string> faults_;
};

}  // namespace rf
