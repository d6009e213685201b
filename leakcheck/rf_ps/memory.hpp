// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rf::leakcheck::rf_ps {

/// An address in the process that is looked at. Never a pointer of this one.
using address = std::uint64_t;

/// A part of a file that is mapped.
struct mapping {
    address begin = 0;
    address end = 0;
    std::uint64_t offset = 0;  // in the file
    bool writable = false;
    std::string file;  // to open here
};

/// Puts what is mapped of `file` before all else.
void put_first(std::vector<mapping>& all, const std::string& file);

/// The memory of a program that is not this one, living or dead. Reads only.
class memory {
public:
    memory() = default;
    memory(const memory&) = delete;
    memory& operator=(const memory&) = delete;
    virtual ~memory() = default;

    /// Copies `bytes` from `from`. False if that is not there as a whole; throws refusal if nothing
    /// can be read any more.
    [[nodiscard]] virtual bool read(address from, void* into, std::size_t bytes) const = 0;

    /// What it is in words: "process 12 (/usr/bin/server)".
    [[nodiscard]] virtual const std::string& words() const = 0;

    /// The files that its program is made of, the executable's first.
    [[nodiscard]] virtual const std::vector<mapping>& mappings() const = 0;

    /// Whether it changes while it is read.
    [[nodiscard]] virtual bool alive() const = 0;
};

}  // namespace rf::leakcheck::rf_ps
