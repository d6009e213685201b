// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/rf_ps/memory.hpp>
#include <ringfence/runtime/detail/registry.hpp>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace rf::leakcheck::rf_ps {

/// What was read makes no sense: a list is broken, an address leads nowhere. In a process that
/// runs, it was changed meanwhile.
struct torn {};

/// A copy of `bytes` from one place, from which fields are taken.
class record {
public:
    record(const memory& from, address at, std::size_t bytes) : bytes_(bytes) {
        if (bytes > bytes_max || !from.read(at, bytes_.data(), bytes)) throw torn();
    }

    template <class T>
    [[nodiscard]] T get(std::uint32_t offset) const {
        T value{};
        if (offset == detail_layout::nowhere) return value;
        if (offset > bytes_.size() || bytes_.size() - offset < sizeof value) throw torn();
        std::memcpy(&value, bytes_.data() + offset, sizeof value);
        return value;
    }

private:
    using detail_layout = rf::detail::registry_layout;
    static constexpr std::size_t bytes_max = 64 * 1024;

    std::vector<char> bytes_;
};

/// The table of a program that says where things are in it, and the loops that it leads to.
class registry {
public:
    using layout = rf::detail::registry_layout;

    /// Nothing if it is no program with ringfence in it. Throws refusal if it is of another
    /// version, or cannot be read.
    [[nodiscard]] static std::optional<registry> find(const memory& of);

    [[nodiscard]] const layout& offsets() const { return table_; }

    /// The loops that live now, the oldest first.
    [[nodiscard]] std::vector<address> loops(const memory& of) const;

private:
    registry(const memory& of, address table);

    address place_;
    layout table_;
};

/// One thing at an address; throws torn.
template <class T>
[[nodiscard]] T read_at(const memory& from, address at) {
    T value{};
    if (!from.read(at, &value, sizeof value)) throw torn();
    return value;
}

/// A text that ends with a zero, at most `most` characters of it, with what would confuse a
/// terminal replaced. Empty if the address is zero; throws torn.
[[nodiscard]] std::string read_text(const memory& from, address at, std::size_t most = 512);

}  // namespace rf::leakcheck::rf_ps
