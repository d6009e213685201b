// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/detail/simulated_object.hpp>

#include <cstdint>
#include <string>
#include <sys/types.h>

namespace rf::leakcheck::detail {

/// A file, directory or device of the process that never keeps a request waiting for long: requests
/// on it are carried out by the plain system calls.
class process_file final : public simulated_object {
public:
    /// `path` is for reports. The descriptor is not this object's to close.
    process_file(simulated_kernel& world, int fd, const std::string& path);

    /// Whether `fd` is open and such a file.
    [[nodiscard]] static bool is_file(int fd) noexcept;

    [[nodiscard]] bool in_worker() const noexcept override { return true; }
    /// With O_DIRECT a transfer cannot be cut anywhere.
    [[nodiscard]] bool is_stream() const noexcept override { return !direct_; }
    [[nodiscard]] std::size_t readable() const noexcept override;
    [[nodiscard]] io_result read(const io_span& to, std::uint64_t offset) override;
    [[nodiscard]] io_result write(const io_span& from, std::uint64_t offset) override;
    [[nodiscard]] std::int32_t allocate(int mode, std::uint64_t offset,
                                        std::uint64_t size) override;
    [[nodiscard]] std::int32_t synchronise() override;
    [[nodiscard]] std::uint32_t poll_mask() const noexcept override;
    [[nodiscard]] bool is_open() const noexcept override;
    void abandon() noexcept override;

private:
    int fd_;
    bool direct_;
    // Tells it from what may have got its number since.
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

}  // namespace rf::leakcheck::detail
