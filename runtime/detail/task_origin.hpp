// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/noted.hpp>

#include <bit>
#include <cstdint>
#include <new>
#include <source_location>

namespace rf::detail {

/// Where a task was spawned, and its name if it was given one. One word, for there may be millions
/// of tasks and most have no name: the line itself, or, with the lowest bit set, where both are.
///
/// Cost: a name takes an allocation; if there is no memory for it, the task has none.
class task_origin {
public:
    explicit task_origin(std::source_location spawned) noexcept
#if RF_BOOKKEEPING
        : word_(std::bit_cast<std::uintptr_t>(spawned)) {
    }
#else
    {
        (void)spawned;
    }
#endif
    task_origin(const task_origin&) = delete;
    task_origin& operator=(const task_origin&) = delete;
    ~task_origin() {
        if (named()) [[unlikely]]
            delete plate();
    }

    [[nodiscard]] std::source_location spawned() const noexcept {
        return named() ? plate()->spawned : std::bit_cast<std::source_location>(word_);
    }
    /// Null: none.
    [[nodiscard]] const char* name() const noexcept { return named() ? plate()->name : nullptr; }

    /// `text` outlives the task.
    void set_name(const char* text) noexcept {
        if (named())
            plate()->name = text;
        else if (text != nullptr)
            if (const auto* made = new (std::nothrow) name_plate{text, spawned()}; made != nullptr)
                word_ = reinterpret_cast<std::uintptr_t>(made) | name_tag;
    }

private:
    friend struct registry_access;
    struct name_plate {
        const char* name;
        std::source_location spawned;
    };
    static constexpr std::uintptr_t name_tag = 1;
    static_assert(sizeof(std::source_location) == sizeof(std::uintptr_t));

    [[nodiscard]] bool named() const noexcept { return (word_ & name_tag) != 0; }
    [[nodiscard]] name_plate* plate() const noexcept {
        return reinterpret_cast<name_plate*>(word_ & ~name_tag);
    }

    std::uintptr_t word_ = 0;
};

}  // namespace rf::detail
