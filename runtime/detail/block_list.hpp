// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace rf::detail {

/// A list that grows without moving what it holds, so that no single push takes long.
template <class T>
class block_list {
public:
    [[nodiscard]] T& push() {
        if (size_ == blocks_.size() * block_items)
            blocks_.push_back(std::make_unique<T[]>(block_items));
        const std::size_t at = size_++;
        return (*this)[at];
    }
    [[nodiscard]] T& operator[](std::size_t at) noexcept {
        return blocks_[at / block_items][at % block_items];
    }
    [[nodiscard]] const T& operator[](std::size_t at) const noexcept {
        return blocks_[at / block_items][at % block_items];
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    static constexpr std::size_t block_items = 256;
    std::vector<std::unique_ptr<T[]>> blocks_;
    std::size_t size_ = 0;
};

/// Keeps copies of texts, in blocks.
class text_store {
public:
    [[nodiscard]] std::string_view keep(std::string_view text) {
        if (text.empty()) return {};
        if (text.size() > left_) {
            left_ = text.size() > block_bytes ? text.size() : block_bytes;
            at_ = blocks_.emplace_back(std::make_unique<char[]>(left_)).get();
        }
        std::memcpy(at_, text.data(), text.size());
        const std::string_view kept(at_, text.size());
        at_ += text.size();
        left_ -= text.size();
        return kept;
    }
    [[nodiscard]] std::string_view keep(const char* text) {
        return text == nullptr ? std::string_view() : keep(std::string_view(text));
    }

private:
    static constexpr std::size_t block_bytes = 32 * 1024;
    std::vector<std::unique_ptr<char[]>> blocks_;
    char* at_ = nullptr;
    std::size_t left_ = 0;
};

}  // namespace rf::detail
