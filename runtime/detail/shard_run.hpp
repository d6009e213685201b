// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/hold_up_report.hpp>
#include <ringfence/runtime/detail/shard_set.hpp>
#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/nursery.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/signals.hpp>

#include <memory>
#include <optional>
#include <source_location>
#include <string>

namespace rf::detail {

/// One shard's share of run_sharded: its loop, its program and what others have on it.
///
/// Made on the shard's thread. begin() only when all shards have been made: from then on they talk
/// to each other. Then either run(), or turns of loop() until ended(); then finish(). One that
/// never began may be destroyed as it is.
class shard_run {
public:
    shard_run(shard_state& self, const program& start, const run_options& options,
              std::unique_ptr<driver> kernel, run_report& report, std::source_location where);
    shard_run(const shard_run&) = delete;
    shard_run& operator=(const shard_run&) = delete;
    ~shard_run() { stop_watching(); }

    /// Makes the shard's observer. A sentence if that cannot be had.
    [[nodiscard]] std::string watch(const observer_factory& make) noexcept;
    /// Starts the program. The shard that `listens` for signals hears of them for all.
    void begin(bool listens);
    /// Turns the loop until all shards' programs have ended.
    void run() noexcept { owner_.run_until_idle(); }
    /// Whether the loop has nothing left to do.
    [[nodiscard]] bool ended() const noexcept;
    /// Fills in the report.
    void finish();

    [[nodiscard]] rf::loop& loop() noexcept { return owner_; }

private:
    void stop_watching() noexcept;
    static void on_turn(rf::loop& owner) noexcept;
    void look_around() noexcept;
    void take_signals() noexcept;

    std::shared_ptr<run_observer> observer_;  // outlives the loop
    shard_state& self_;
    const program& start_;
    const run_options& options_;
    run_report& report_;
    std::source_location where_;
    rf::loop owner_;
    nursery root_;
    nursery guests_;
    hold_up_report hold_up_;
    std::optional<signal_listener> signals_;
};

}  // namespace rf::detail
