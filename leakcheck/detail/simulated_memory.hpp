// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/detail/simulated_object.hpp>

#include <cstdint>
#include <vector>

namespace rf::leakcheck::detail {

/// A regular file in memory.
class simulated_file final : public simulated_object {
public:
    simulated_file(simulated_kernel& world, std::vector<std::byte> content)
        : simulated_object(world, "file"), content_(std::move(content)) {}

    [[nodiscard]] bool in_worker() const noexcept override { return true; }
    [[nodiscard]] std::size_t readable() const noexcept override { return content_.size(); }
    [[nodiscard]] io_result read(const io_span& to, std::uint64_t offset) override;
    [[nodiscard]] io_result write(const io_span& from, std::uint64_t offset) override;
    [[nodiscard]] std::int32_t allocate(int mode, std::uint64_t offset,
                                        std::uint64_t size) override;
    [[nodiscard]] std::int32_t synchronise() override { return 0; }
    [[nodiscard]] std::uint32_t poll_mask() const noexcept override;

    [[nodiscard]] const std::vector<std::byte>& content() const noexcept { return content_; }

private:
    static constexpr std::uint64_t at_position = ~std::uint64_t{0};
    static constexpr std::uint64_t size_max = std::uint64_t{1} << 28;  // then the disk is full

    std::vector<std::byte> content_;
    std::uint64_t position_ = 0;
};

/// A counter that is readable while it is not zero, as an eventfd.
class simulated_counter final : public simulated_object {
public:
    simulated_counter(simulated_kernel& world, std::uint64_t initial)
        : simulated_object(world, "eventfd"), count_(initial) {}

    [[nodiscard]] bool is_stream() const noexcept override { return false; }
    [[nodiscard]] io_result read(const io_span& to, std::uint64_t offset) override;
    [[nodiscard]] io_result write(const io_span& from, std::uint64_t offset) override;
    [[nodiscard]] std::uint32_t poll_mask() const noexcept override;

    void add(std::uint64_t amount);

private:
    std::uint64_t count_;
};

}  // namespace rf::leakcheck::detail
