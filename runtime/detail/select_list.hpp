// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/select_all.hpp>

#include <cstddef>
#include <optional>
#include <source_location>
#include <vector>

namespace rf {

/// Which of a list of cases won, and what it gave.
template <class T>
struct selected {
    std::size_t index = 0;                     // the size of the list: rf::otherwise
    std::optional<detail::storable<T>> value;  // always there, but for rf::otherwise
};

namespace detail {

[[noreturn]] void refuse_empty_select(std::source_location where);

/// A select over a list made at run time.
template <class Operation>
class [[nodiscard]] select_list_awaiter final
    : public tried_wait<select_list_awaiter<Operation>, select_wait> {
public:
    using one_case = case_of_t<Operation>;
    using result = selected<typename one_case::result>;

    struct manner {
        bool fair = true;
        bool may_wait = true;
    };

    select_list_awaiter(std::vector<Operation> operations, manner how, std::source_location where)
        : how_(how) {
        if (operations.empty() && how.may_wait) refuse_empty_select(where);
        cases_.reserve(operations.size());  // a case that waits must not move
        for (Operation& operation : operations)
            cases_.emplace_back(std::move(operation));
        winner_ = none;
    }

    [[nodiscard]] bool try_now() {
        const std::size_t count = cases_.size();
        const std::size_t first = how_.fair && count != 0 ? loop::here().next_random() % count : 0;
        for (std::size_t step = 0; step < count; ++step) {
            const std::size_t at = (first + step) % count;
            if (!cases_[at].ready()) continue;
            winner_ = at;
            return true;
        }
        if (!how_.may_wait) winner_ = count;
        return winner_ != none;
    }
    void start() noexcept {
        for (one_case& one : cases_)
            one.prepare();
        for (one_case& one : cases_) {
            if (winner_ != none) return;
            waiter::begin_case(one.wait(), *this);
            one.start();
        }
    }
    result await_resume() {
        result won{.index = winner_, .value = std::nullopt};
        if (winner_ == cases_.size()) return won;
        if constexpr (std::is_void_v<typename one_case::result>) {
            cases_[winner_].take();
            won.value.emplace();
        } else {
            won.value.emplace(cases_[winner_].take());
        }
        return won;
    }

    [[nodiscard]] cancel_outcome cancel() noexcept override {
        for (one_case& one : cases_)
            waiter::end_case(one.wait());
        return cancel_outcome::removed;
    }
    void on_removed() noexcept override {
        for (one_case& one : cases_)
            one.wait().on_removed();
    }
    void on_drain() noexcept override {
        for (one_case& one : cases_)
            waiter::drain_case(one.wait());
    }
    void describe(wait_description& out) const override {
        std::vector<const waiter*> all;
        for (const one_case& one : cases_)
            all.push_back(&one.wait());
        describe_select(out, {all.data(), all.size()});
    }
    void owners(wait_owners& out) const override {
        for (const one_case& one : cases_)
            one.wait().owners(out);
    }

private:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    void decided(waiter& winner) noexcept override {
        for (std::size_t at = 0; at < cases_.size(); ++at) {
            if (&cases_[at].wait() == &winner)
                winner_ = at;
            else
                waiter::end_case(cases_[at].wait());
        }
        for (std::size_t at = 0; at < cases_.size(); ++at)
            if (at != winner_) cases_[at].wait().on_removed();
        this->resume();
    }

    std::vector<one_case> cases_;
    std::size_t winner_ = none;
    manner how_;
};

}  // namespace detail
}  // namespace rf
