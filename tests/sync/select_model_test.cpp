// SPDX-License-Identifier: MIT
// Random programs of selects, side by side with a model that says what each may do.
//
// Clients each make one select, of a random shape over a few objects. A controller does things to
// the objects, several in a row, before any client that they woke has run. The model follows step
// by step. After each step the lines and contents of all objects must be what it says, and in the
// end each client must have had the one outcome that it says: exactly one case took effect.
#include "select_model.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/checkpoint.hpp>
#include <ringfence/runtime/join_handle.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>
#include <ringfence/sync/semaphore.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using rf::test::run_sim;
using rf::test::select_model;

namespace {

using value = std::unique_ptr<std::int64_t>;
using one_case = select_model::one_case;

class program {
    using kind = select_model::kind;

public:
    explicit program(std::uint64_t seed) : random_(seed) {}

    rf::task<> run() {
        started_ = rf::loop::here().now();
        co_await rf::with_nursery([this](rf::nursery& all) -> rf::task<> {
            for (int step = 0; step < 60; ++step) {
                for (auto acts = below(4); acts > 0; --acts) {
                    act(all);
                    compare();
                }
                co_await rf::sleep_for(std::chrono::microseconds(1 + below(4)));
                model_.pass_time(now());
                compare();
            }
            co_await finish();
        });
        for (const auto& one : clients_)
            CHECK(one->ended);
    }

private:
    struct client {
        int number = 0;
        rf::cancel_scope scope;
        rf::sync::event go;    // ends its child
        value mine;            // what it sends
        bool checked = false;  // its select returned, with what the model says
        bool ended = false;
    };

    std::int64_t below(std::int64_t limit) {
        return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(limit));
    }
    [[nodiscard]] std::int64_t now() const { return rf::loop::here().now() - started_; }

    void act(rf::nursery& all) {
        const auto channel = static_cast<std::size_t>(below(2));
        ++changes_;
        switch (below(11)) {
        case 0:
        case 1:
        case 2: begin(all); break;
        case 3: {
            value made = std::make_unique<std::int64_t>(next_value_++);
            const std::int64_t number = *made;
            const bool sent = channels_[channel].try_send(std::move(made));
            CHECK(sent == model_.try_send(channel, number));
            CHECK(sent == (made == nullptr));
            break;
        }
        case 4: {
            std::int64_t expected = -1;
            const bool given = model_.try_receive(channel, expected);
            auto got = channels_[channel].try_receive();
            REQUIRE(got.has_value() == given);
            if (given) CHECK(**got == expected);
            break;
        }
        case 5:
            gate_.set();
            model_.set_gate();
            break;
        case 6:
            if (permits_.empty()) break;
            model_.release_permits(static_cast<std::int64_t>(permits_.front().count()));
            permits_.pop_front();
            break;
        case 7:
            if (!lock_held_) break;
            model_.unlock();
            lock_held_.unlock();
            break;
        case 8:
            if (!clients_.empty()) pick().go.set();  // the child tells the model
            break;
        case 9:
            if (!clients_.empty()) cancel(pick());
            break;
        default:
            if (below(25) != 0) break;
            channels_[channel].close();
            model_.close(channel);
        }
    }
    client& pick() {
        return *clients_[static_cast<std::size_t>(
            below(static_cast<std::int64_t>(clients_.size())))];
    }
    void cancel(client& one) {
        model_.cancel(one.number);
        one.scope.cancel();
    }

    void begin(rf::nursery& all) {
        clients_.push_back(std::make_unique<client>());
        client& one = *clients_.back();
        one.number = static_cast<int>(clients_.size());
        all.spawn([this, &one, &all]() -> rf::task<> {
            co_await one.scope.run(shape(one, all));
            one.ended = true;
            if (!one.checked) CHECK(model_.outcome_of(one.number).index == select_model::cancelled);
        });
    }

    // The case as the model sees it, beside the operation itself.
    [[nodiscard]] auto receive(std::vector<one_case>& to, std::size_t channel) {
        to.push_back({.what = kind::receive, .object = channel});
        return channels_[channel].receive();
    }
    [[nodiscard]] auto send(std::vector<one_case>& to, std::size_t channel, client& from) {
        if (from.mine == nullptr) from.mine = std::make_unique<std::int64_t>(next_value_++);
        to.push_back({.what = kind::send, .object = channel, .amount = *from.mine});
        return rf::as_result(channels_[channel].send(std::move(from.mine)));
    }
    [[nodiscard]] auto gate(std::vector<one_case>& to) {
        to.push_back({.what = kind::gate});
        return gate_.wait();
    }
    [[nodiscard]] auto permit(std::vector<one_case>& to) {
        to.push_back({.what = kind::permit, .amount = 1 + below(3)});
        return places_.acquire(static_cast<std::size_t>(to.back().amount));
    }
    [[nodiscard]] auto lock(std::vector<one_case>& to) {
        to.push_back({.what = kind::lock});
        return lock_.lock();
    }
    // No two end at the same time: each has nanoseconds of its own.
    [[nodiscard]] auto timer(std::vector<one_case>& to, const client& by) {
        const std::int64_t length = 1000 * (1 + below(9)) + by.number;
        to.push_back({.what = kind::sleep, .amount = now() + length});
        return rf::sleep_for(std::chrono::nanoseconds(length));
    }

    // What the cases give, as the model knows it.
    std::int64_t took(std::optional<value>& got) { return got ? **got : -1; }
    std::int64_t took(rf::result<void>& sent) { return sent ? 1 : 0; }
    std::int64_t took(rf::unit) { return 0; }
    std::int64_t took(rf::sync::permit& got) {
        permits_.push_back(std::move(got));
        return 0;
    }
    std::int64_t took(rf::sync::mutex_guard& got) {
        CHECK(!lock_held_);
        lock_held_ = std::move(got);
        return 0;
    }
    std::int64_t took(int got) { return got; }
    std::int64_t took(rf::selected<std::optional<value>>& got) { return took(*got.value); }
    template <class... Inner>
    std::int64_t took(std::variant<Inner...>& inner) {
        return std::visit([this](auto& got) { return this->took(got); }, inner);
    }

    // Awaits the select and holds it against the model. `place` makes the index of a case of the
    // result: nested selects are counted as if they were flat.
    template <class Select, class Place>
    rf::task<> check(client& one, std::vector<one_case> cases, Select select, bool biased,
                     bool has_otherwise, Place place) {
        co_await rf::this_task::checkpoint();  // cancelled before it began: nothing is tried
        model_.pass_time(now());
        const std::vector<int> ready = model_.ready(one.number, cases);
        const bool waits = ready.empty() && !has_otherwise;
        if (waits) model_.wait(one.number, cases);
        const std::uint64_t before = changes_;
        auto won = co_await std::move(select);
        const int index = place(won);
        const std::int64_t got = took(won);
        bool sent = false;
        if (!waits && ready.empty()) {
            CHECK(index == static_cast<int>(cases.size()));
        } else {
            select_model::outcome expected;
            if (waits) {
                model_.pass_time(now());
                expected = model_.outcome_of(one.number);
                REQUIRE(index == expected.index);
            } else {
                REQUIRE(std::count(ready.begin(), ready.end(), index) == 1);
                if (biased) CHECK(index == ready.front());
                expected = model_.commit(cases[static_cast<std::size_t>(index)], index);
            }
            CHECK(got == expected.value);
            sent = cases[static_cast<std::size_t>(index)].what == kind::send && got == 1;
        }
        if (!waits) CHECK(changes_ == before);  // it was done at once
        // A send that lost, or failed, has left its value.
        if (std::ranges::any_of(cases, [](auto& each) { return each.what == kind::send; }))
            CHECK((one.mine == nullptr) == sent);
        one.checked = true;
        ++(waits ? waited_ : immediate_);
    }

    rf::task<> shape(client& one, rf::nursery& all);
    rf::task<> finish();
    void compare();

    std::mt19937_64 random_;
    select_model model_;
    rf::sync::channel<value> channels_[select_model::channels]{
        rf::sync::channel<value>(select_model::capacities[0]),
        rf::sync::channel<value>(select_model::capacities[1])};
    rf::sync::auto_event gate_;
    rf::sync::semaphore places_{static_cast<std::size_t>(select_model::permits)};
    rf::sync::mutex lock_;
    std::deque<rf::sync::permit> permits_;  // of those who won some
    rf::sync::mutex_guard lock_held_;
    std::vector<std::unique_ptr<client>> clients_;
    std::int64_t next_value_ = 1;
    rf::instant started_ = 0;
    std::uint64_t changes_ = 0;

public:
    int waited_ = 0;
    int immediate_ = 0;
};

const auto flat = [](auto& won) { return static_cast<int>(won.index()); };

rf::task<> program::shape(client& one, rf::nursery& all) {
    std::vector<one_case> cases;
    const auto here = static_cast<std::size_t>(below(2));
    const auto there = static_cast<std::size_t>(below(2));
    switch (below(9)) {
    case 0: {
        auto a = receive(cases, here);
        auto b = send(cases, there, one);
        auto c = gate(cases);
        auto d = timer(cases, one);
        auto any = rf::select(std::move(a), std::move(b), std::move(c), std::move(d));
        co_return co_await check(one, cases, std::move(any), false, false, flat);
    }
    case 1: {
        auto a = permit(cases);
        auto b = receive(cases, here);
        auto c = lock(cases);
        auto d = send(cases, there, one);
        auto any = rf::select(rf::biased, std::move(a), std::move(b),
                              rf::select(rf::biased, std::move(c), std::move(d)));
        co_return co_await check(one, cases, std::move(any), true, false, [](auto& won) {
            const auto index = static_cast<int>(won.index());
            return index < 2 ? index : 2 + static_cast<int>(std::get<2>(won).index());
        });
    }
    case 2: {
        auto a = permit(cases);
        auto b = send(cases, here, one);
        auto c = receive(cases, there);
        auto any = rf::select(std::move(a), std::move(b), std::move(c), rf::otherwise);
        co_return co_await check(one, cases, std::move(any), false, true, flat);
    }
    case 3: {
        std::vector<decltype(receive(cases, here))> list;
        for (auto count = 1 + below(4); count > 0; --count)
            list.push_back(receive(cases, static_cast<std::size_t>(below(2))));
        const bool biased = below(2) == 0;
        auto any =
            biased ? rf::select_any(rf::biased, std::move(list)) : rf::select_any(std::move(list));
        co_return co_await check(one, cases, std::move(any), biased, false,
                                 [](auto& won) { return static_cast<int>(won.index); });
    }
    case 4: {
        auto child = all.async([this, &one]() -> rf::task<int> {
            co_await one.go.wait();
            model_.end_child(one.number);
            co_return select_model::child_value;
        });
        if (below(2) == 0) co_await rf::sleep_for(std::chrono::nanoseconds(500 + one.number));
        cases.push_back({.what = kind::child});
        auto b = gate(cases);
        auto c = receive(cases, here);
        auto any = rf::select(child, std::move(b), std::move(c));
        co_return co_await check(one, cases, std::move(any), false, false, flat);
    }
    case 5:
    case 6:
    case 7: {  // more often: what is scarce, so that there are lines
        auto a = permit(cases);
        auto b = timer(cases, one);
        auto c = lock(cases);
        auto any = rf::select(rf::select(std::move(a), std::move(b)), std::move(c));
        co_return co_await check(one, cases, std::move(any), false, false, [](auto& won) {
            return won.index() == 0 ? static_cast<int>(std::get<0>(won).index()) : 2;
        });
    }
    default: {
        auto a = receive(cases, 0);
        auto b = send(cases, 0, one);
        auto c = receive(cases, 1);
        auto d = send(cases, 1, one);
        auto any = rf::select(std::move(a), std::move(b), std::move(c), std::move(d));
        co_return co_await check(one, cases, std::move(any), false, false, flat);
    }
    }
}

rf::task<> program::finish() {
    for (const auto& one : clients_) {
        cancel(*one);
        compare();
    }
    co_await rf::sleep_for(1us);
    for (const auto& one : clients_)
        one->go.set();
    while (!permits_.empty()) {
        model_.release_permits(static_cast<std::int64_t>(permits_.front().count()));
        permits_.pop_front();
    }
    if (lock_held_) {
        model_.unlock();
        lock_held_.unlock();
    }
    compare();
    CHECK(model_.permits_left == select_model::permits);
    CHECK(!model_.locked);
}

void program::compare() {
    for (std::size_t i = 0; i < select_model::channels; ++i) {
        const auto& expected = model_.all_channels[i];
        const auto seen = channels_[i].statistics();
        REQUIRE(seen.items == expected.items.size());
        REQUIRE(seen.senders == expected.senders.size());
        REQUIRE(seen.receivers == expected.receivers.size());
    }
    REQUIRE(gate_.is_set() == model_.gate_open);
    REQUIRE(gate_.statistics().waiting == model_.gate_line.size());
    REQUIRE(places_.available() == static_cast<std::size_t>(model_.permits_left));
    REQUIRE(places_.statistics().waiting == model_.permit_line.size());
    REQUIRE(lock_.is_locked() == model_.locked);
    REQUIRE(lock_.statistics().waiting == model_.lock_line.size());
}

}  // namespace

TEST_CASE("select: whatever the schedule, it does what the model says, and one case takes effect") {
    int waited = 0;
    int immediate = 0;
    rf::test::for_seeds(2000, [&](std::uint64_t seed) {
        program one(seed);
        run_sim({.seed = seed}, [&] { return one.run(); });
        waited += one.waited_;
        immediate += one.immediate_;
    });
    MESSAGE(waited << " selects waited, " << immediate << " did not");
    CHECK(waited > 0);
    CHECK(immediate > 0);
}
