// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <utility>

namespace rf::sync::detail {

/// Says at which line something was given back that was not held, and aborts.
[[noreturn, gnu::cold]] void refuse_give_back(const char* what,
                                              std::source_location where) noexcept;

/// What a task holds of an Owner, and gives back when destroyed: the base of guards, which have a
/// `static void give_back(Owner&) noexcept`. Moves; a moved-from one holds nothing.
template <class Guard, class Owner>
class held {
public:
    held() noexcept = default;
    held(held&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    held& operator=(held&& other) noexcept {
        held old(std::move(*this));
        owner_ = std::exchange(other.owner_, nullptr);
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
