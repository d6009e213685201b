// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/rf_ps/memory.hpp>
#include <ringfence/leakcheck/rf_ps/program_file.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace rf::leakcheck::rf_ps {

/// What a process left behind when it crashed, or when gcore copied it. Pages that nobody had
/// written are not in a core; they are read from the files that were mapped.
class core_file final : public memory {
public:
    /// `executable`: where the program is now; empty: where the core says that it was. Throws
    /// refusal if the core is none, is not whole, or is of another program.
    core_file(const std::string& path, const std::string& executable);

    [[nodiscard]] bool read(address from, void* into, std::size_t bytes) const override;
    [[nodiscard]] const std::string& words() const override { return words_; }
    [[nodiscard]] const std::vector<mapping>& mappings() const override { return mappings_; }
    [[nodiscard]] bool alive() const override { return false; }

private:
    void read_notes(const Elf64_Phdr& segment);
    void read_mapped_files(const std::vector<char>& note);
    void put_executable_first(const std::string& executable);
    void check_executable() const;
    [[nodiscard]] bool read_dumped(address from, void* into, std::size_t bytes) const;
    [[nodiscard]] bool read_mapped(address from, void* into, std::size_t bytes) const;

    program_file core_;
    std::string words_;
    std::vector<mapping> mappings_;
    std::map<address, Elf64_Phdr> dumped_;  // by where they begin
    address program_headers_ = 0;           // of the executable, in its memory
    mutable std::map<std::string, std::unique_ptr<open_file>> files_;  // null: cannot be opened
};

}  // namespace rf::leakcheck::rf_ps
