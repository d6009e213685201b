// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/nursery_core.hpp>

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

namespace rf {

namespace detail {
struct destroy_loser {
    explicit destroy_loser() noexcept {}
};
}  // namespace detail

/// What becomes of those that do not win a race: the first argument of race() and
/// race_first_done().
///
///     auto won = co_await rf::race(rf::losers([&](connection&& late) { pool.give_back(late); }),
///                                  connect(a), connect(b));
///
/// `dispose(T&&)` is called for each loser that finished successfully, cancelled too late, after
/// all are gone and before the race returns. Values of a type that it does not accept, and all
/// values without it, are destroyed. It runs in the racing task, cannot await and should not throw:
/// an exception from it is thrown by the race, and the winner's value is lost.
template <class Dispose = detail::destroy_loser>
class losers {
public:
    losers() noexcept
        requires std::same_as<Dispose, detail::destroy_loser>
        : dispose_(detail::destroy_loser()) {}
    explicit losers(Dispose dispose) noexcept(std::is_nothrow_move_constructible_v<Dispose>)
        : dispose_(std::move(dispose)) {}

    /// Appends the failure of each racer to `into`, oldest first, whoever wins. `into` outlives the
    /// race.
    losers&& report_to(std::vector<child_failure>& into) && noexcept {
        failures_ = &into;
        return std::move(*this);
    }

    // For the machinery.
    template <class T>
    void dispose(T&& value) {
        if constexpr (std::invocable<Dispose&, T&&>) std::invoke(dispose_, std::move(value));
    }
    [[nodiscard]] std::vector<child_failure>* failures() const noexcept { return failures_; }

private:
    Dispose dispose_;
    std::vector<child_failure>* failures_ = nullptr;
};

losers() -> losers<detail::destroy_loser>;
template <class Dispose>
losers(Dispose) -> losers<Dispose>;

}  // namespace rf
