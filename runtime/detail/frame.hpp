// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/noted.hpp>

#include <coroutine>
#include <cstdint>
#include <source_location>

namespace rf::detail {

struct frame;
struct registry_access;  // see registry.hpp

/// One `co_await child` in progress. Lives in the awaiter, inside the awaiting frame.
///
/// A boundary is a link at which unwinding stops: the parent frame is resumed instead of
/// destroyed, and learns that its child is gone. Timeouts, nurseries and finally() are boundaries.
class await_link {
public:
    frame* child = nullptr;  // nulled by unwinding, which destroys the child before the parent

    void attach(frame* parent, bool boundary) noexcept {
        parent_ = reinterpret_cast<std::uintptr_t>(parent) | (boundary ? 1u : 0u);
    }
    [[nodiscard]] frame* parent() const noexcept {
        return reinterpret_cast<frame*>(parent_ & ~std::uintptr_t{1});
    }
    [[nodiscard]] bool boundary() const noexcept { return (parent_ & 1u) != 0; }

private:
    friend struct registry_access;
    std::uintptr_t parent_ = 0;  // the frame's address; bit 0 marks a boundary
};

/// What a coroutine has come to.
enum class completion_state : std::uint8_t { running, value, error };

/// The part of every promise that does not depend on the result type: who awaits this coroutine
/// and where it stands. Chains of these are the async stacks.
struct frame {
    [[no_unique_address]] noted_line at;  // its current, or last, co_await

    explicit frame(std::source_location where) noexcept : created_(where) {}

    /// The coroutine itself: names the function. Unknown once it has failed: an exception may have
    /// taken the place.
    [[nodiscard]] std::source_location created() const noexcept {
        if (state() == completion_state::error) return {};
        return created_;
    }

    /// Who awaits it; null for the first frame of a task.
    [[nodiscard]] await_link* link() const noexcept {
        return reinterpret_cast<await_link*>(link_ & ~state_mask);
    }
    /// Before it runs.
    void set_link(await_link& awaits) noexcept {
        link_ = reinterpret_cast<std::uintptr_t>(&awaits);
    }
    [[nodiscard]] completion_state state() const noexcept {
        return static_cast<completion_state>(link_ & state_mask);
    }
    void set_state(completion_state reached) noexcept {
        link_ = (link_ & ~state_mask) | static_cast<std::uintptr_t>(reached);
    }

    [[nodiscard]] std::coroutine_handle<> handle() noexcept {
        return std::coroutine_handle<frame>::from_promise(*this);
    }
    [[nodiscard]] frame* parent() const noexcept {
        const await_link* awaits = link();
        return awaits != nullptr ? awaits->parent() : nullptr;
    }

protected:
    [[no_unique_address]] noted_line created_;

private:
    friend struct registry_access;
    static constexpr std::uintptr_t state_mask = 3;
    static_assert(alignof(await_link) > state_mask);

    std::uintptr_t link_ = 0;  // the link's address; the lowest bits are the state
};

}  // namespace rf::detail
