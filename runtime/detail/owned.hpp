// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

namespace rf::detail {

/// One object that belongs to its holder, or an array of them if T is an array: std::unique_ptr for
/// members of classes that many files include. That one holds a std::tuple, and each T costs every
/// such file some five milliseconds of compiling; this holds a pointer.
///
/// Made from what std::make_unique makes. T may be incomplete where none is destroyed.
template <class T>
class owned {
public:
    using element = std::remove_extent_t<T>;

    owned() noexcept = default;
    owned(std::nullptr_t) noexcept {}
    template <class U>
        requires(std::is_convertible_v<std::remove_extent_t<U>*, element*> &&
                 std::is_array_v<U> == std::is_array_v<T>)
    owned(std::unique_ptr<U>&& made) noexcept : object_(made.release()) {}
    owned(owned&& other) noexcept : object_(other.object_) { other.object_ = nullptr; }
    owned& operator=(owned&& other) noexcept {
        element* const before = object_;
        object_ = other.object_;
        other.object_ = before;  // what was here goes with `other`...
        other.clear();           // ... which may be part of it
        return *this;
    }
    ~owned() { clear(); }

    [[nodiscard]] element* get() const noexcept { return object_; }
    [[nodiscard]] element* operator->() const noexcept { return object_; }
    [[nodiscard]] element& operator*() const noexcept { return *object_; }
    [[nodiscard]] element& operator[](std::size_t at) const noexcept { return object_[at]; }
    [[nodiscard]] explicit operator bool() const noexcept { return object_ != nullptr; }
    friend bool operator==(const owned& one, std::nullptr_t) noexcept {
        return one.object_ == nullptr;
    }

private:
    void clear() noexcept {
        element* const object = object_;
        object_ = nullptr;
        if constexpr (std::is_array_v<T>)
            delete[] object;
        else
            delete object;
    }

    element* object_ = nullptr;
};

}  // namespace rf::detail
