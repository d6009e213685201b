// SPDX-License-Identifier: MIT
// The servers and the load of the echo benches, which bench/run.py starts and compares:
//
//   echo ringfence PORT
//   echo multishot PORT [BUFFER-BYTES]
//   echo single PORT [BUFFER-BYTES]
//   echo shards COUNT
//   echo load PORT SERVER CONNECTIONS BYTES DEPTH MILLISECONDS [lockstep]
//
// SERVER is a process, or thread:TID for one thread of it.
#include "examples/arguments.hpp"
#include "programs.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <sys/resource.h>

namespace {

std::uint32_t number(const char* text, std::uint32_t max) {
    const auto value = arguments::number(text, max);
    if (!value) {
        std::fprintf(stderr, "echo: '%s' is not a number up to %u\n", text, max);
        std::exit(2);
    }
    return static_cast<std::uint32_t>(*value);
}

std::uint16_t port(const char* text) { return static_cast<std::uint16_t>(number(text, 65535)); }

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

int usage() {
    std::fprintf(stderr, "usage: echo ringfence PORT | multishot PORT [BUFFER-BYTES] | single PORT "
                         "[BUFFER-BYTES] | shards COUNT\n       echo load PORT PID|thread:TID "
                         "CONNECTIONS BYTES DEPTH MILLISECONDS [lockstep]\n");
    return 2;
}

int load(int argc, char** argv) {
    if (argc != 8 && (argc != 9 || std::strcmp(argv[8], "lockstep") != 0)) return usage();
    echo::load_options how;
    how.port = port(argv[2]);
    constexpr std::string_view one_thread = "thread:";
    how.one_thread = std::string_view(argv[3]).starts_with(one_thread);
    how.server =
        static_cast<int>(number(argv[3] + (how.one_thread ? one_thread.size() : 0), 1u << 30));
    how.connections = number(argv[4], 60'000);
    how.bytes = number(argv[5], 1u << 20);
    how.depth = number(argv[6], 1024);
    how.milliseconds = number(argv[7], 3'600'000);
    how.lockstep = argc == 9;
    if (how.connections == 0 || how.bytes == 0 || how.depth == 0) return usage();
    return echo::load(how);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) return usage();
    raise_descriptor_limit();
    const std::string_view what = argv[1];
    if (what == "load") return load(argc, argv);
    if (argc > 4) return usage();
    if (what == "shards" && argc == 3) return echo::serve_shards(number(argv[2], 1024));
    if (what == "ringfence" && argc == 3) return echo::serve_ringfence(port(argv[2]));
    echo::floor_options how;
    how.port = port(argv[2]);
    if (argc == 4) how.buffer_bytes = number(argv[3], 1u << 20);
    if (what == "multishot") return echo::serve_multishot(how);
    if (what == "single") return echo::serve_single(how);
    return usage();
}
