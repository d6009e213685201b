// SPDX-License-Identifier: MIT
// What a loop keeps for those who watch it: the last events, and who opened what.
#include <ringfence/runtime/detail/openings.hpp>
#include <ringfence/runtime/flight_recorder.hpp>
#include <ringfence/runtime/loop.hpp>

#include <memory>
#include <string>

namespace rf {

void loop::record_flight(std::size_t events) {
    flight_ = events != 0 ? std::make_unique<flight_recorder>(events) : nullptr;
    look_who_watches();
}

std::string loop::recent_events(std::size_t most) const {
    return flight_ != nullptr ? flight_->describe(most, now_) : std::string();
}

void loop::keep_openings() {
    if (openings_kept_++ == 0) openings_ = std::make_unique<detail::openings>();
    look_who_watches();
}

void loop::drop_openings() noexcept {
    if (--openings_kept_ == 0) openings_ = nullptr;
    look_who_watches();
}

void loop::tell_of_opening(resource_kind kind, std::uint64_t number,
                           std::source_location line) noexcept {
    if (openings_ != nullptr) openings_->note(kind, number, line);
}

void loop::tell_of_closing(resource_kind kind, std::uint64_t number) noexcept {
    if (openings_ != nullptr) openings_->forget(kind, number);
}

void loop::tell_of_closing(const detail::nursery_core& which) noexcept {
    if (openings_ != nullptr) openings_->nursery_closes(which, now_);
}

void loop::add_opening(resource& to, std::uint64_t number) const {
    if (openings_ != nullptr) openings_->add_to(to, number);
}

}  // namespace rf
