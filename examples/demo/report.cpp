// SPDX-License-Identifier: MIT
#include "report.hpp"

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <string_view>
#include <unistd.h>

namespace demo {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view nothing_left =
    "0 tasks, 0 operations, 0 timers, 0 buffers, 0 descriptors";

double seconds(std::chrono::nanoseconds span) {
    return std::chrono::duration<double>(span).count();
}
double milliseconds(std::chrono::nanoseconds span) { return seconds(span) * 1000; }

std::string line_starting(const std::string& output, std::string_view start) {
    const auto from = output.find(start);
    if (from == std::string::npos) return {};
    const auto text = from + start.size();
    return output.substr(text, output.find('\n', text) - text);
}

void say(const std::string& line) {
    std::fputs((line + "\n").c_str(), stdout);
    std::fflush(stdout);
}

}  // namespace

rf::task<> show_progress(const figures& seen) {
    const bool terminal = ::isatty(STDOUT_FILENO) != 0;
    const auto pause = terminal ? 200ms : 1000ms;
    const auto start = rf::clock::now();
    auto before = start;
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    rf::scope_exit leave_line([&] {
        if (terminal) std::fputs("\r\x1b[K", stdout);
    });
    for (;;) {
        co_await rf::sleep_for(pause);
        const auto now = rf::clock::now();
        const double span = seconds(now - before);
        const std::string line = fmt::format(
            "{:5.1f} s  {:7.0f} messages/s  {:6.0f} MB/s  {:3} connected  {:6} finished  "
            "{:5} cancelled  {:4} reset",
            seconds(now - start), static_cast<double>(seen.messages - messages) / span,
            static_cast<double>(seen.bytes - bytes) / span / 1e6, seen.connected, seen.finished,
            seen.cancelled, seen.reset);
        fmt::print("{}{}{}", terminal ? "\r\x1b[K" : "", line, terminal ? "" : "\n");
        std::fflush(stdout);
        before = now;
        messages = seen.messages;
        bytes = seen.bytes;
    }
}

void read_output(service_end& end, const std::string& output) {
    end.work = line_starting(output, "work: ");
    end.receipt = line_starting(output, "exit: ");
}

void print_figures(const figures& seen) {
    const double span = seconds(seen.loaded);
    say(fmt::format("messages     {} answered in {:.1f} s: {:.0f}/s, {:.0f} MB/s each way",
                    seen.messages, span, static_cast<double>(seen.messages) / span,
                    static_cast<double>(seen.bytes) / span / 1e6));
    say(fmt::format("round trip   p50 {:.2f} ms, p99 {:.2f} ms",
                    milliseconds(seen.round_trips.quantile(0.50)),
                    milliseconds(seen.round_trips.quantile(0.99))));
    say(fmt::format("connections  {} finished ({} of them slow readers), {} cancelled, {} reset, "
                    "{} cut by the drain",
                    seen.finished, seen.slow, seen.cancelled, seen.reset, seen.cut));
    say(fmt::format("bytes        {} compared, {} wrong", seen.bytes, seen.bytes_wrong));
}

bool print_verdict(const figures& seen, const service_end& service, const rf::run_report& own) {
    say(fmt::format("generator    {} tasks started, {} cancelled, {} at the peak",
                    own.final.tasks_started, own.final.tasks_cancelled, own.final.tasks_peak));
    say(fmt::format("             at exit {}", own.final.receipt()));
    if (service.ended) {
        say(fmt::format("service      {}", service.work));
        say(fmt::format("             at exit {}", service.receipt));
        say(fmt::format("             ended {:.0f} ms after SIGTERM, {}",
                        milliseconds(seen.draining), service.status.to_string()));
    }
    bool good = true;
    const auto demand = [&](bool holds, const std::string& complaint) {
        if (!holds) say("FAILED: " + complaint);
        good = good && holds;
    };
    demand(own.status == 0, "the generator did not end well");
    demand(own.final.empty(), "the generator left something behind");
    demand(service.ended && service.status.success(), "the service did not end well");
    demand(service.receipt == nothing_left, "the service left something behind");
    demand(seen.messages != 0, "no message was answered");
    demand(seen.bytes_wrong == 0, "bytes came back wrong");
    demand(seen.failures == 0, fmt::format("{} connections broke under load; the first: {}",
                                           seen.failures, seen.first_failure));
    if (good) say("OK: every byte came back, and nothing was left behind");
    return good;
}

}  // namespace demo
