// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <sys/types.h>

namespace rf::leakcheck::rf_ps {

/// What rf-ps was asked for.
struct arguments {
    bool help = false;
    bool version = false;
    bool tree = false;
    std::optional<pid_t> process;  // neither this nor a core: a list of all processes
    std::string core;
    std::string executable;
};

extern const char usage[];

/// Nothing if they make no sense.
[[nodiscard]] std::optional<arguments> read_arguments(int count, char** words);

}  // namespace rf::leakcheck::rf_ps
