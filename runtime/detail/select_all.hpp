// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/outcome.hpp>
#include <ringfence/runtime/detail/select_case.hpp>
#include <ringfence/runtime/detail/select_wait.hpp>
#include <ringfence/runtime/detail/tried_wait.hpp>
#include <ringfence/runtime/loop.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace rf {

/// As the first argument of select: cases that are ready are taken in the order written.
struct biased_t {
    explicit constexpr biased_t() noexcept = default;
};
inline constexpr biased_t biased{};

/// As the last argument of select: what to take when no case is ready. The select does not wait.
struct otherwise_t {
    explicit constexpr otherwise_t() noexcept = default;
};
inline constexpr otherwise_t otherwise{};

namespace detail {

void describe_select(wait_description& out, std::span<const waiter* const> cases);

template <bool Otherwise, class... Cases>
struct select_result {
    using type = std::variant<storable<typename Cases::result>...>;
};
template <class... Cases>
struct select_result<true, Cases...> {
    using type = std::variant<storable<typename Cases::result>..., unit>;
};

template <bool Otherwise, class Indices, class... Cases>
class select_awaiter;

/// A select over cases known when it is compiled.
template <bool Otherwise, std::size_t... I, class... Cases>
class [[nodiscard]] select_awaiter<Otherwise, std::index_sequence<I...>, Cases...> final
    : public tried_wait<select_awaiter<Otherwise, std::index_sequence<I...>, Cases...>,
                        select_wait> {
public:
    using result = typename select_result<Otherwise, Cases...>::type;

    template <class... Operations>
    explicit select_awaiter(bool fair, Operations&&... operations)
        : cases_(static_cast<Operations&&>(operations)...), fair_(fair) {}

    [[nodiscard]] bool try_now() {
        const std::size_t first = fair_ ? loop::here().next_random() % count : 0;
        for (std::size_t step = 0; step < count && winner_ == none; ++step) {
            const std::size_t at = first + step < count ? first + step : first + step - count;
            (void)((I == at && std::get<I>(cases_).ready() && (winner_ = I, true)) || ...);
        }
        if (Otherwise && winner_ == none) winner_ = count;
        return winner_ != none;
    }
    void start() noexcept {
        (std::get<I>(cases_).prepare(), ...);
        (start_case(std::get<I>(cases_)), ...);
    }
    result await_resume() { return take<0>(); }

    [[nodiscard]] cancel_outcome cancel() noexcept override {
        (waiter::end_case(std::get<I>(cases_).wait()), ...);
        return cancel_outcome::removed;
    }
    void on_removed() noexcept override { (std::get<I>(cases_).wait().on_removed(), ...); }
    void on_drain() noexcept override { (waiter::drain_case(std::get<I>(cases_).wait()), ...); }
    void describe(wait_description& out) const override {
        const waiter* const all[] = {&std::get<I>(cases_).wait()...};
        describe_select(out, all);
    }
    void owners(wait_owners& out) const override { (std::get<I>(cases_).wait().owners(out), ...); }

private:
    static constexpr std::size_t count = sizeof...(Cases);
    static constexpr std::size_t none = count + 1;

    template <class Case>
    void start_case(Case& one) noexcept {
        if (winner_ != none) return;  // an earlier one was decided as it began
        waiter::begin_case(one.wait(), *this);
        one.start();
    }
    void decided(waiter& winner) noexcept override {
        ((&std::get<I>(cases_).wait() == &winner ? void(winner_ = I)
                                                 : waiter::end_case(std::get<I>(cases_).wait())),
         ...);
        ((winner_ != I ? std::get<I>(cases_).wait().on_removed() : void()), ...);
        this->resume();
    }
    template <std::size_t At>
    result take() {
        if constexpr (At == count) {
            return result(std::in_place_index<result_size - 1>);
        } else {
            if (At + 1 < result_size && winner_ != At)
                return take<At + 1 < result_size ? At + 1 : At>();
            auto& won = std::get<At>(cases_);
            if constexpr (std::is_void_v<decltype(won.take())>) {
                won.take();
                return result(std::in_place_index<At>);
            } else {
                return result(std::in_place_index<At>, won.take());
            }
        }
    }
    static constexpr std::size_t result_size = std::variant_size_v<result>;

    std::tuple<Cases...> cases_;
    std::size_t winner_ = none;
    bool fair_;
};

template <bool Fair, class... Operations>
[[nodiscard]] auto make_select(Operations&&... operations) {
    using all = std::tuple<Operations&&...>;
    constexpr std::size_t given = sizeof...(Operations);
    constexpr bool has_otherwise =
        std::same_as<std::remove_cvref_t<std::tuple_element_t<given - 1, all>>, otherwise_t>;
    constexpr std::size_t cases = given - (has_otherwise ? 1 : 0);
    static_assert(cases > 0, "a select needs a case beside rf::otherwise");
    all references(static_cast<Operations&&>(operations)...);
    return [&]<std::size_t... I>(std::index_sequence<I...> indices) {
        return select_awaiter<has_otherwise, decltype(indices),
                              case_of_t<std::tuple_element_t<I, all>>...>(
            Fair, std::get<I>(std::move(references))...);
    }(std::make_index_sequence<cases>());
}

}  // namespace detail
}  // namespace rf
