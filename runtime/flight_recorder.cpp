// SPDX-License-Identifier: MIT
#include <ringfence/runtime/flight_recorder.hpp>

#include <ringfence/runtime/cancel_error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>

namespace rf {

const char* to_string(flight_event what) noexcept {
    switch (what) {
    case flight_event::starts: return "starts, spawned at";
    case flight_event::goes_on: return "goes on from";
    case flight_event::waits: return "waits at";
    case flight_event::unwinds: return "unwinds from";
    case flight_event::ends: return "ends";
    case flight_event::cancels: return "cancels at";
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
        to[i] = {one.where, one.when, one.task_and_what >> 8,
                 static_cast<flight_event>(one.task_and_what & 0xff)};
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

std::string describe_events(std::span<const flight_entry> events, std::uint64_t noted,
                            instant now) {
    if (events.empty()) return {};
    std::string text = fmt::format("the last {} of {} events:\n", events.size(), noted);
    auto out = std::back_inserter(text);
    for (const flight_entry& one : events) {
        fmt::format_to(out, "  {:>10.3f} ms ago  ", static_cast<double>(now - one.when) / 1e6);
        if (one.task != 0)
            fmt::format_to(out, "task {} {}", one.task, to_string(one.what));
        else
            text += "no task, the loop itself, cancels at";
        if (one.what != flight_event::ends)
            fmt::format_to(out, " {}", detail::to_string(one.where));
        text += '\n';
    }
    return text;
}

}  // namespace rf
