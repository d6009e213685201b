// SPDX-License-Identifier: MIT
#include <ringfence/io/detail/read_buffer.hpp>

#include <ringfence/runtime/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace rf::io::detail {

read_buffer::read_buffer(std::size_t bytes) : memory_(bytes) {}

std::string_view read_buffer::text() const noexcept {
    return {reinterpret_cast<const char*>(memory_.data()) + begin_, size()};
}

std::size_t read_buffer::find(std::string_view delimiter, std::size_t size_max,
                              std::size_t from) const noexcept {
    return text().substr(0, size_max).find(delimiter, from);
}

std::size_t read_buffer::take(std::span<std::byte> to) noexcept {
    const std::size_t part = std::min(to.size(), size());
    if (part != 0) std::memcpy(to.data(), memory_.data() + begin_, part);
    begin_ += part;
    return part;
}

std::string read_buffer::take_text(std::size_t size) {
    std::string taken(text().substr(0, size));
    begin_ += taken.size();
    return taken;
}

std::span<std::byte> read_buffer::room(std::size_t wanted) {
    if (begin_ == end_) begin_ = end_ = 0;
    if (end_ == memory_.size() || begin_ + wanted > memory_.size()) {
        if (begin_ != 0) std::memmove(memory_.data(), memory_.data() + begin_, size());
        end_ -= begin_;
        begin_ = 0;
        if (wanted > memory_.size()) memory_.resize(std::max(wanted, 2 * memory_.size()));
    }
    return std::span(memory_).subspan(end_);
}

void read_buffer::refuse_short(std::size_t wanted) const {
    throw_error({"read exactly", ENODATA}, std::to_string(wanted) +
                                               " bytes (the stream ended after " +
                                               std::to_string(size()) + ")");
}

void read_buffer::refuse_long(std::size_t size_max) {
    throw_error({"read line", EMSGSIZE}, "(no end within " + std::to_string(size_max) + " bytes)");
}

std::string without_line_end(std::string line) {
    if (line.ends_with('\n')) {
        line.pop_back();
        if (line.ends_with('\r')) line.pop_back();
    }
    return line;
}

}  // namespace rf::io::detail
