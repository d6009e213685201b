// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/ringfence.hpp>

#include <string>

namespace demo {

/// The echo service: examples/echo_server, run as a process of its own from beside this program.
struct service {
    rf::io::process process;
    rf::io::endpoint address;
    std::string output;  // what it has said so far
};

/// Starts it and waits until it listens. Throws std::runtime_error if it does not.
rf::task<service> start_service();

/// Reads the rest of what it says and waits for its end.
rf::task<rf::io::exit_status> end_of(service& running);

}  // namespace demo
