// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/detail/simulated_object.hpp>

#include <deque>
#include <memory>
#include <utility>

namespace rf::leakcheck::detail {

/// Bytes on their way in one direction, bounded.
struct byte_queue {
    std::deque<std::byte> bytes;
    std::size_t capacity = 0;

    [[nodiscard]] std::size_t room() const noexcept {
        return bytes.size() < capacity ? capacity - bytes.size() : 0;
    }
    std::size_t move_to(const io_span& to);
    std::size_t take_from(const io_span& from);
};

/// One end of a connected stream, of a pipe, or a socket that is not connected yet.
class simulated_stream final : public simulated_object {
public:
    enum class role : std::uint8_t { socket, pipe_reader, pipe_writer };

    simulated_stream(simulated_kernel& world, std::string kind, role part) noexcept
        : simulated_object(world, std::move(kind)), role_(part) {}
    ~simulated_stream() override;

    /// Makes the two each other's peer, with `capacity` bytes on the way in each direction.
    static void join(const std::shared_ptr<simulated_stream>& a,
                     const std::shared_ptr<simulated_stream>& b, std::size_t capacity);

    [[nodiscard]] bool is_socket() const noexcept override { return role_ == role::socket; }
    [[nodiscard]] std::size_t readable() const noexcept override { return in_.bytes.size(); }
    [[nodiscard]] io_result read(const io_span& to, std::uint64_t offset) override;
    [[nodiscard]] io_result write(const io_span& from, std::uint64_t offset) override;
    [[nodiscard]] io_result connect(const simulated_address& peer) override;
    [[nodiscard]] std::int32_t shut_down(int how) override;
    [[nodiscard]] std::uint32_t poll_mask() const noexcept override;

    /// The connection breaks: this end fails with ECONNRESET once, what was on the way is lost.
    void break_off();
    /// As a close with SO_LINGER 0: the peer's end breaks.
    void reset();

    [[nodiscard]] bool connected() const noexcept { return connected_; }

private:
    [[nodiscard]] std::shared_ptr<simulated_stream> peer() const noexcept { return peer_.lock(); }
    void hear_end();

    role role_;
    bool connected_ = false;
    bool broken_ = false;      // ECONNRESET not yet reported
    bool was_broken_ = false;  // and ever
    bool end_heard_ = false;   // the peer will send no more
    bool read_shut_ = false;
    bool write_shut_ = false;
    byte_queue in_;
    std::weak_ptr<simulated_stream> peer_;
};

}  // namespace rf::leakcheck::detail
