// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/detail/simulated_stream.hpp>

#include <deque>
#include <memory>

namespace rf::leakcheck::detail {

/// A listening socket: connections wait in its backlog until they are accepted.
class simulated_listener final : public simulated_object {
public:
    simulated_listener(simulated_kernel& world, std::uint16_t port, std::size_t backlog) noexcept
        : simulated_object(world, "listener"), port_(port), backlog_max_(backlog) {}
    ~simulated_listener() override;

    [[nodiscard]] bool is_socket() const noexcept override { return true; }
    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] bool has_room() const noexcept { return backlog_.size() < backlog_max_; }
    [[nodiscard]] std::size_t readable() const noexcept override { return backlog_.size(); }

    void push(std::shared_ptr<simulated_stream> connection);

    [[nodiscard]] io_result accept() override;
    [[nodiscard]] std::int32_t shut_down(int how) override;
    [[nodiscard]] std::uint32_t poll_mask() const noexcept override;

private:
    std::uint16_t port_;
    std::size_t backlog_max_;
    bool shut_ = false;
    std::deque<std::shared_ptr<simulated_stream>> backlog_;
};

}  // namespace rf::leakcheck::detail
