// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rf::test {

/// What the tracked objects of one test have lived through.
struct lifetimes {
    int constructed = 0;  // copies and moves included
    int destroyed = 0;
    int destroyed_twice = 0;
    std::vector<std::string> ends;  // names in the order of destruction, moved-from ones left out

    [[nodiscard]] int live() const noexcept { return constructed - destroyed; }
};

/// An object that writes down its life; put it in frames, arguments and results.
class lifetime_tracker {
public:
    explicit lifetime_tracker(lifetimes& book, std::string name = {})
        : book_(&book), name_(std::move(name)) {
        ++book_->constructed;
    }
    lifetime_tracker(const lifetime_tracker& other) : lifetime_tracker(*other.book_, other.name_) {}
    lifetime_tracker(lifetime_tracker&& other) noexcept
        : book_(other.book_), name_(std::move(other.name_)) {
        ++book_->constructed;
        other.moved_from_ = true;
    }
    lifetime_tracker& operator=(const lifetime_tracker&) = delete;
    ~lifetime_tracker() {
        // Volatile, because a compiler may forget what is written to an object that ends.
        volatile std::uint32_t& alive = alive_;
        if (alive != alive_mark) {
            ++book_->destroyed_twice;
            return;
        }
        alive = 0;
        ++book_->destroyed;
        if (!moved_from_ && !name_.empty()) book_->ends.push_back(name_);
    }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }

private:
    static constexpr std::uint32_t alive_mark = 0x11fe'11feU;
    lifetimes* book_;
    std::string name_;
    bool moved_from_ = false;
    std::uint32_t alive_ = alive_mark;
};

}  // namespace rf::test
