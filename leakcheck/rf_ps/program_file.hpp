// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/rf_ps/memory.hpp>

#include <cstdint>
#include <elf.h>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rf::leakcheck::rf_ps {

/// A file that is read at places. Nothing is mapped: it may be cut short meanwhile.
class open_file {
public:
    /// Throws refusal if it cannot be opened.
    explicit open_file(const std::string& path);
    open_file(const open_file&) = delete;
    open_file& operator=(const open_file&) = delete;
    ~open_file();

    /// False if the file does not have all of that.
    [[nodiscard]] bool read(std::uint64_t offset, void* into, std::size_t bytes) const;
    [[nodiscard]] std::uint64_t size() const { return size_; }

    /// `count` things from `offset` on; none if the file does not have all of them.
    template <class T>
    [[nodiscard]] std::vector<T> read_all(std::uint64_t offset, std::uint64_t count) const {
        std::vector<T> all;
        if (count > size_ / sizeof(T)) return all;
        all.resize(count);
        if (!read(offset, all.data(), count * sizeof(T))) all.clear();
        return all;
    }

private:
    int fd_ = -1;
    std::uint64_t size_ = 0;
};

/// An ELF file of this kind of machine: a program, a library or a core.
class program_file {
public:
    /// Throws refusal if it cannot be opened. What is no ELF file has nothing in it.
    explicit program_file(const std::string& path);

    [[nodiscard]] const open_file& bytes() const { return file_; }
    [[nodiscard]] bool is_elf() const { return header_.e_type != ET_NONE; }
    [[nodiscard]] bool is_core() const { return header_.e_type == ET_CORE; }
    [[nodiscard]] const std::vector<Elf64_Phdr>& segments() const { return segments_; }

    /// Where the file says that a data symbol is, before it is loaded.
    [[nodiscard]] std::optional<std::uint64_t> symbol(std::string_view name) const;

    /// What has to be added to that where `part` of the file is mapped.
    [[nodiscard]] std::optional<std::uint64_t> moved_by(const mapping& part) const;

private:
    open_file file_;
    Elf64_Ehdr header_{};
    std::vector<Elf64_Phdr> segments_;
};

}  // namespace rf::leakcheck::rf_ps
