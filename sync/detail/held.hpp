// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <source_location>
#include <string>
#include <utility>

namespace rf {
class wait_owners;
}

namespace rf::sync::detail {

/// A primitive notes the number of the task that took it. This bit is set in it once the guard has
/// been moved: from then on it is not known which task has it.
inline constexpr std::uint64_t handed_on = std::uint64_t{1} << 63;

/// The number of the task in such a note.
[[nodiscard]] constexpr std::uint64_t taker(std::uint64_t note) noexcept {
    return note & ~handed_on;
}
/// For wait_description::owner_task: 0 where it is not known.
[[nodiscard]] constexpr std::uint64_t known_owner(std::uint64_t note) noexcept {
    return (note & handed_on) != 0 ? 0 : note;
}
/// Names who can give it back, for waiter::owners().
void tell_owner(wait_owners& out, std::uint64_t note);
/// The same for people: "task 7, which locked it at server.cpp:31", where `did` is "locked it".
[[nodiscard]] std::string owner_text(std::uint64_t note, const char* did,
                                     std::source_location where);

/// Says at which line something was given back that was not held, and aborts.
[[noreturn, gnu::cold]] void refuse_give_back(const char* what,
                                              std::source_location where) noexcept;

/// What a task holds of an Owner, and gives back when destroyed: the base of guards, which have a
/// `static void give_back(Owner&) noexcept`, and a `hand_on` of the same kind that hears of moves.
/// Moves; a moved-from one holds nothing. `auto held = co_await lock()` is no move.
template <class Guard, class Owner>
class held {
public:
    held() noexcept = default;
    held(held&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {
        if (owner_ != nullptr) Guard::hand_on(*owner_);
    }
    held& operator=(held&& other) noexcept {
        Owner* const taken = std::exchange(other.owner_, nullptr);
        if (taken != nullptr) Guard::hand_on(*taken);
        if (Owner* const old = std::exchange(owner_, taken)) Guard::give_back(*old);
        return *this;
    }
    ~held() {
        if (owner_ != nullptr) Guard::give_back(*owner_);
    }
    [[nodiscard]] explicit operator bool() const noexcept { return owner_ != nullptr; }

protected:
    explicit held(Owner& owner) noexcept : owner_(&owner) {}
    /// `what` is what the caller did, for the message if there is nothing to give back.
    void give_back_now(const char* what, std::source_location where) noexcept {
        if (owner_ == nullptr) [[unlikely]]
            refuse_give_back(what, where);
        Guard::give_back(*std::exchange(owner_, nullptr));
    }

    Owner* owner_ = nullptr;
};

}  // namespace rf::sync::detail
