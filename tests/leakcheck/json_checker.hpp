// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string_view>

namespace rf::test {

/// Whether `text` is one JSON value and nothing behind it. Knows no more than structure.
class json_checker {
public:
    explicit json_checker(std::string_view text) : text_(text) {}
    bool valid() { return value() && (skip(), at_ == text_.size()); }

private:
    void skip() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n'))
            ++at_;
    }
    bool take(char wanted) {
        skip();
        if (at_ == text_.size() || text_[at_] != wanted) return false;
        ++at_;
        return true;
    }
    bool string() {
        if (!take('"')) return false;
        for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
            if (static_cast<unsigned char>(text_[at_]) < 0x20) return false;
            if (text_[at_] == '\\') ++at_;
        }
        return take('"');
    }
    bool word() {
        const std::size_t start = at_;
        while (at_ < text_.size() &&
               std::string_view("0123456789-truefals").find(text_[at_]) != std::string_view::npos)
            ++at_;
        return at_ != start;
    }
    bool list(char end, bool named) {
        if (take(end)) return true;
        do {
            if (named && !(string() && take(':'))) return false;
            if (!value()) return false;
        } while (take(','));
        return take(end);
    }
    bool value() {
        skip();
        if (take('{')) return list('}', true);
        if (take('[')) return list(']', false);
        if (at_ < text_.size() && text_[at_] == '"') return string();
        return word();
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace rf::test
