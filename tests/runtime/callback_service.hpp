// SPDX-License-Identifier: MIT
#pragma once

#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/from_callback.hpp>

#include <optional>
#include <utility>

namespace test {

/// Under virtual time, with nobody on another thread to be waited for in real time.
[[nodiscard]] inline rf::test::sim_options on_one_thread() {
    rf::test::sim_options how;
    how.world.patience = {};
    return how;
}

/// Stands for an API that calls back: keeps the completer until a test uses it.
template <class T>
struct callback_service {
    std::optional<rf::completer<T>> pending;
    int cancels = 0;

    auto request() {
        return rf::from_callback<T>([this](rf::completer<T> done) { pending = std::move(done); });
    }
    auto cancellable_request() {
        return rf::from_callback<T>([this](rf::completer<T> done) {
            pending = std::move(done);
            return [this] { ++cancels; };
        });
    }
};

}  // namespace test
