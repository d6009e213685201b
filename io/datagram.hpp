// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/buffer_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace rf::io {

/// A datagram that was received into the caller's memory.
template <class Address>
struct basic_datagram {
    std::size_t size = 0;  // bytes in the caller's memory; 0 is a datagram like any other
    Address from;
    bool truncated = false;  // it was longer than the memory; the rest is gone
};

/// A datagram that was received into a borrowed buffer, which goes back when this is destroyed.
///
/// Hold it no longer than needed: the buffers are shared by all sockets of the loop.
template <class Address>
class [[nodiscard]] borrowed_datagram {
public:
    /// `memory` holds the datagram; `payload` points into it.
    borrowed_datagram(chunk memory, std::span<std::byte> payload, const Address& sender,
                      bool cut) noexcept
        : from(sender), truncated(cut), memory_(std::move(memory)), payload_(payload) {}

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return payload_; }
    /// 0 is a datagram like any other.
    [[nodiscard]] std::size_t size() const noexcept { return payload_.size(); }
    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(payload_.data()), payload_.size()};
    }

    Address from;
    bool truncated;  // it was longer than the buffer; the rest is gone

private:
    chunk memory_;  // moving it moves no byte
    std::span<std::byte> payload_;
};

}  // namespace rf::io
