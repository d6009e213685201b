// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/detail/simulated_stream.hpp>

#include <deque>
#include <memory>

namespace rf::leakcheck::detail {

/// A listening socket: connections wait in its backlog until they are accepted.
class simulated_listener final : public simulated_object {
public:
    simulated_listener(simulated_kernel& world, std::size_t backlog) noexcept
        : simulated_object(world, "listener"), backlog_max_(backlog) {}
    ~simulated_listener() override;

    [[nodiscard]] bool is_socket() const noexcept override { return true; }
    /// Whether a connect to `dialled` comes here.
    [[nodiscard]] bool hears(const simulated_address& dialled) const noexcept {
        return !shut_ && local.overlaps(dialled, both_families);
    }
    [[nodiscard]] bool shut() const noexcept { return shut_; }
    [[nodiscard]] bool has_room() const noexcept { return backlog_.size() < backlog_max_; }
    [[nodiscard]] std::size_t readable() const noexcept override { return backlog_.size(); }

    void push(std::shared_ptr<simulated_stream> connection);
    /// As a TCP listener that is gone: those who had connected hear a reset.
    void drop_backlog();

    [[nodiscard]] io_result accept() override;
    [[nodiscard]] std::int32_t shut_down(int how) override;
    [[nodiscard]] std::uint32_t poll_mask() const noexcept override;

private:
    std::size_t backlog_max_;
    bool shut_ = false;
    std::deque<std::shared_ptr<simulated_stream>> backlog_;
};

}  // namespace rf::leakcheck::detail
