// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

namespace micro {

/// Resident memory of a process, in bytes; 0 is this one.
[[nodiscard]] long resident_bytes(pid_t process = 0);

/// Descriptors as many as the hard limit allows.
void raise_descriptor_limit();

/// This program, executed anew with `--fresh role count`; what it prints can be read.
class fresh {
public:
    fresh(const char* role, long count);
    fresh(const fresh&) = delete;
    fresh& operator=(const fresh&) = delete;
    ~fresh();

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    /// The next line it prints, as a number. Ends this process if there is none.
    [[nodiscard]] double read_number();
    /// Asks it to end, and waits.
    void stop();
    /// Waits for its end; a failure ends this process too.
    void wait();

private:
    pid_t pid_ = -1;
    int output_ = -1;
};

}  // namespace micro
