// SPDX-License-Identifier: MIT
#include "limits.hpp"
#include "request_reader.hpp"

#include <charconv>
#include <cstring>

namespace resp {
namespace {

// Room for a few more requests than fit one buffer, given back once a large one is done.
constexpr std::size_t kept_bytes_idle = 64 * 1024;

constexpr bool is_space(char c) { return c == ' ' || c == '\t'; }

}  // namespace

void request_reader::feed(std::span<const std::byte> bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (kept_.empty()) {
        unread_ = text;
        return;
    }
    kept_.append(text);
    unread_ = kept_;
}

void request_reader::keep_rest() {
    if (unread_.empty()) {
        kept_.clear();
        if (kept_.capacity() > kept_bytes_idle) kept_.shrink_to_fit();
    } else if (kept_.empty()) {
        kept_.assign(unread_);
    } else {
        kept_.erase(0, static_cast<std::size_t>(unread_.data() - kept_.data()));
    }
    unread_ = kept_;
}

request_reader::outcome request_reader::next() {
    words_.clear();
    at_ = 0;
    if (unread_.empty()) return outcome::incomplete;
    const outcome end = unread_.front() == '*' ? read_array() : read_inline();
    if (end == outcome::request)
        unread_.remove_prefix(at_);
    else if (end == outcome::incomplete && unread_.size() > limits::request_bytes)
        return fail("a request may hold at most 16 MiB");
    return end;
}

request_reader::outcome request_reader::read_array() {
    long long count = 0;
    const outcome head =
        read_number('*', limits::arguments, "a request may have at most 1024 arguments", count);
    if (head != outcome::request) return head;
    for (long long i = 0; i < count; ++i) {
        const outcome word = read_bulk();
        if (word != outcome::request) return word;
    }
    return outcome::request;
}

request_reader::outcome request_reader::read_bulk() {
    long long size = 0;
    const outcome head =
        read_number('$', limits::value_bytes, "a value may hold at most 16 MiB", size);
    if (head != outcome::request) return head;
    if (size < 0) return fail("Protocol error: an argument without a value");
    const auto bytes = static_cast<std::size_t>(size);
    if (unread_.size() - at_ < bytes + 2) return outcome::incomplete;
    if (unread_[at_ + bytes] != '\r' || unread_[at_ + bytes + 1] != '\n')
        return fail("Protocol error: no line end after an argument");
    words_.push_back(unread_.substr(at_, bytes));
    at_ += bytes + 2;
    return outcome::request;
}

request_reader::outcome request_reader::read_number(char mark, std::size_t max,
                                                    const char* too_large, long long& value) {
    std::string_view line;
    if (!read_line(line))
        return unread_.size() - at_ > limits::line_bytes ? fail("Protocol error: a length too long")
                                                         : outcome::incomplete;
    if (line.empty() || line.front() != mark)
        return fail(mark == '$' ? "Protocol error: expected '$'" : "Protocol error: expected '*'");
    const char* last = line.data() + line.size();
    const auto [end, bad] = std::from_chars(line.data() + 1, last, value);
    if (bad != std::errc{} || end != last) return fail("Protocol error: a length is not a number");
    if (value > static_cast<long long>(max)) return fail(too_large);
    return outcome::request;
}

// Words between blanks. No quoting: clients that need it send arrays.
request_reader::outcome request_reader::read_inline() {
    std::string_view line;
    if (!read_line(line))
        return unread_.size() > limits::line_bytes
                   ? fail("Protocol error: an inline command of more than 64 KiB")
                   : outcome::incomplete;
    while (!line.empty()) {
        std::size_t size = 0;
        while (size < line.size() && !is_space(line[size]))
            ++size;
        if (size != 0) words_.push_back(line.substr(0, size));
        line.remove_prefix(size == line.size() ? size : size + 1);
        if (words_.size() > limits::arguments)
            return fail("a request may have at most 1024 arguments");
    }
    return outcome::request;
}

bool request_reader::read_line(std::string_view& line) {
    const char* start = unread_.data() + at_;
    const auto* end = static_cast<const char*>(std::memchr(start, '\n', unread_.size() - at_));
    if (end == nullptr) return false;
    line = {start, static_cast<std::size_t>(end - start)};
    at_ += line.size() + 1;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    return true;
}

request_reader::outcome request_reader::fail(const char* complaint) noexcept {
    complaint_ = complaint;
    return outcome::malformed;
}

}  // namespace resp
