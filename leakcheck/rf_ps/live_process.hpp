// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/rf_ps/memory.hpp>

#include <string>
#include <sys/types.h>
#include <vector>

namespace rf::leakcheck::rf_ps {

/// A process that runs, and goes on while it is read: process_vm_readv() stops nothing.
class live_process final : public memory {
public:
    /// Throws refusal if there is no such process, or it may not be read.
    explicit live_process(pid_t pid);

    [[nodiscard]] bool read(address from, void* into, std::size_t bytes) const override;
    [[nodiscard]] const std::string& words() const override { return words_; }
    [[nodiscard]] const std::vector<mapping>& mappings() const override { return mappings_; }
    [[nodiscard]] bool alive() const override { return true; }

    /// The file that it runs, as it calls it; empty if it runs none.
    [[nodiscard]] const std::string& program() const { return program_; }

private:
    [[noreturn]] void refuse_reading(int error) const;

    pid_t pid_;
    std::string program_;
    std::string words_;
    std::vector<mapping> mappings_;
};

}  // namespace rf::leakcheck::rf_ps
