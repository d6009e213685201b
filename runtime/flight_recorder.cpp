// SPDX-License-Identifier: MIT
#include <ringfence/runtime/flight_recorder.hpp>

#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/opcode_name.hpp>
#include <ringfence/runtime/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>

namespace rf {
namespace {

bool is_of_request(flight_event what) noexcept { return what >= flight_event::submits; }

}  // namespace

const char* to_string(flight_event what) noexcept {
    switch (what) {
    case flight_event::starts: return "starts, spawned at";
    case flight_event::goes_on: return "goes on from";
    case flight_event::waits: return "waits at";
    case flight_event::unwinds: return "unwinds from";
    case flight_event::ends: return "ends";
    case flight_event::cancels: return "cancels at";
    case flight_event::submits: return "asks for";
    case flight_event::calls_back: return "calls back";
    case flight_event::completes: return "completes with";
    case flight_event::completes_on: return "completes in part with";
    }
    return "unknown";
}

flight_recorder::flight_recorder(std::size_t events)
    : mask_(std::bit_ceil(std::max<std::size_t>(events, 16)) - 1),
      ring_(std::make_unique<entry[]>(mask_ + 1)) {}

std::size_t flight_recorder::copy_last(std::span<flight_entry> to) const noexcept {
    const std::uint64_t end = noted_;
    const std::size_t kept = std::min<std::uint64_t>({to.size(), end, capacity()});
    for (std::size_t i = 0; i < kept; ++i) {
        const entry& one = ring_[(end - kept + i) & mask_];
        to[i] = {.where = one.where,
                 .when = one.when,
                 .task = one.task_and_what >> 8,
                 .what = static_cast<flight_event>(one.task_and_what & 0xff)};
        if (!is_of_request(to[i].what)) continue;
        to[i].operation = one.operation;
        to[i].opcode = one.opcode;
        to[i].number = one.number;
    }
    return kept;
}

std::vector<flight_entry> flight_recorder::last(std::size_t most) const {
    std::vector<flight_entry> all(std::min<std::uint64_t>({most, noted_, capacity()}));
    (void)copy_last(all);
    return all;
}

std::string flight_recorder::describe(std::size_t most, instant now) const {
    return describe_events(last(most), noted_, now);
}

namespace {

/// "recv on descriptor 5", as far as the events up to `at` tell.
std::string request_text(std::span<const flight_entry> up_to) {
    const flight_entry& last = up_to.back();
    for (auto one = up_to.rbegin(); one != up_to.rend(); ++one) {
        if (one->operation != last.operation || one->what != flight_event::submits) continue;
        std::string text = detail::opcode_name(one->opcode);
        if (one->number >= 0) text += fmt::format(" on descriptor {}", one->number);
        return text;
    }
    return "a request from before";
}

std::string result_text(std::int32_t result) {
    return result >= 0 ? fmt::format("{}", result) : errno_name(-result);
}

}  // namespace

std::string describe_events(std::span<const flight_entry> events, std::uint64_t noted,
                            instant now) {
    if (events.empty()) return {};
    std::string text = fmt::format("the last {} of {} events:\n", events.size(), noted);
    auto out = std::back_inserter(text);
    for (std::size_t i = 0; i < events.size(); ++i) {
        const flight_entry& one = events[i];
        fmt::format_to(out, "  {:>10.3f} ms ago  ", static_cast<double>(now - one.when) / 1e6);
        const bool request = is_of_request(one.what);
        const std::string subject = request ? request_text(events.first(i + 1)) : std::string();
        if (one.what == flight_event::completes || one.what == flight_event::completes_on) {
            fmt::format_to(out, "the kernel: {} {} {}\n", subject, to_string(one.what),
                           result_text(one.number));
            continue;
        }
        if (one.task != 0)
            fmt::format_to(out, "task {} {}", one.task, to_string(one.what));
        else
            fmt::format_to(out, "no task, the loop itself, {}", to_string(one.what));
        if (request) fmt::format_to(out, " {}", subject);
        if (request && one.where.line() != 0) text += " at";
        if (one.what != flight_event::ends && one.where.line() != 0)
            fmt::format_to(out, " {}", detail::to_string(one.where));
        text += '\n';
    }
    return text;
}

}  // namespace rf
