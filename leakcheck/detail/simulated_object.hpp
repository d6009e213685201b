// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/detail/simulated_address.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <sys/socket.h>
#include <sys/uio.h>
#include <vector>

namespace rf::leakcheck {
class simulated_kernel;
}

namespace rf::leakcheck::detail {

/// The result of a request, or nothing while it must wait.
using io_result = std::optional<std::int32_t>;

/// Memory of a request, from `done` bytes in, at most `limit` of them.
struct io_span {
    std::span<const iovec> parts;
    std::size_t done = 0;
    std::size_t limit = SIZE_MAX;

    [[nodiscard]] std::size_t size() const noexcept;
    /// Copies `data` to the memory, as much as there is room for. Returns how much.
    std::size_t fill(std::span<const std::byte> data) const noexcept;
    /// Appends the memory to `out`.
    void append_to(std::vector<std::byte>& out) const;
    /// The memory as an array of its own.
    [[nodiscard]] std::vector<iovec> pieces() const;
};

/// What a descriptor refers to, as a struct file of the kernel: alive while a descriptor or a
/// request in flight refers to it. Its destructor is what the last close does.
class simulated_object : public std::enable_shared_from_this<simulated_object> {
public:
    simulated_object(simulated_kernel& world, std::string kind) noexcept
        : world_(world), kind_(std::move(kind)) {}
    simulated_object(const simulated_object&) = delete;
    simulated_object& operator=(const simulated_object&) = delete;
    virtual ~simulated_object() = default;

    [[nodiscard]] const std::string& kind() const noexcept { return kind_; }

    /// Regular files: requests run in a worker thread, and cannot be cancelled once they do.
    [[nodiscard]] virtual bool in_worker() const noexcept { return false; }
    /// Bytes without borders: a transfer may be cut anywhere.
    [[nodiscard]] virtual bool is_stream() const noexcept { return true; }
    [[nodiscard]] virtual bool is_socket() const noexcept { return false; }
    /// Bytes that a read would find now. Zero also at the end.
    [[nodiscard]] virtual std::size_t readable() const noexcept { return 0; }

    [[nodiscard]] virtual io_result read(const io_span& to, std::uint64_t offset);
    [[nodiscard]] virtual io_result write(const io_span& from, std::uint64_t offset);
    [[nodiscard]] virtual io_result accept();  // a new descriptor
    [[nodiscard]] virtual io_result connect(const simulated_address& peer);
    [[nodiscard]] virtual std::int32_t shut_down(int how);
    /// `mode`: flags of fallocate(2).
    [[nodiscard]] virtual std::int32_t allocate(int mode, std::uint64_t offset, std::uint64_t size);
    [[nodiscard]] virtual std::int32_t synchronise();

    /// False: its descriptor was closed without a word to the kernel.
    [[nodiscard]] virtual bool is_open() const noexcept { return true; }
    /// Its descriptor was still open when the kernel ended.
    virtual void abandon() noexcept {}

    /// POLLIN and its kin, as of now.
    [[nodiscard]] virtual std::uint32_t poll_mask() const noexcept = 0;
    /// Grows with each change, so that a multishot poll tells a new event from an old one.
    [[nodiscard]] std::uint64_t changes() const noexcept { return changes_; }

    std::vector<std::uint64_t> parked;  // requests that wait for changed(), by their number

    // Of sockets.
    int family = AF_UNSPEC;      // of one made by make_socket(): any
    simulated_address local;     // since it is bound or connected
    simulated_address remote;    // since it is connected
    bool bound = false;          // by bind: the name is taken while it is open
    bool shares_port = false;    // SO_REUSEPORT
    bool both_families = false;  // IPV6_V6ONLY is off
    bool abrupt = false;         // SO_LINGER of 0 s: its close is a reset

protected:
    /// Something happened that a request may wait for.
    void changed();

    simulated_kernel& world_;

private:
    std::string kind_;
    std::uint64_t changes_ = 0;
};

}  // namespace rf::leakcheck::detail
