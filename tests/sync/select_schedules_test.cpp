// SPDX-License-Identifier: MIT
// Selects of several tasks that race for the same few objects, under schedules that a bubble
// explores. There is no model here, as in select_model_test.cpp, but what must hold in any order.
#include <ringfence/leakcheck/bubble.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>
#include <ringfence/sync/semaphore.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <variant>

using namespace std::chrono_literals;
using rf::leakcheck::bubble;
using rf::leakcheck::bubble_options;
using rf::leakcheck::bubble_report;
using rf::leakcheck::explore;

namespace {

using value = std::unique_ptr<int>;

// Fails the run, so that the bubble names its schedule.
void require(bool holds, const char* law) {
    if (!holds) RF_THROW(std::logic_error(law));
}

/// How the selects of all runs ended: what was explored.
struct endings {
    int sent = 0;
    int received = 0;
    int locked = 0;
    int let_through = 0;
    int admitted = 0;
    int cancelled = 0;         // the one that may be
    int in_spite_of_that = 0;  // it finished before the cancel reached it
};

/// One run. Three clients select over five objects, of which none is ready at first; two others
/// make them ready, and one cancels the first client. The gate opens last and lets everybody go.
class program {
public:
    explicit program(endings& all) : seen_(all) {}

    rf::task<> run() {
        held_ = co_await lock_.lock();
        permit_ = co_await places_.acquire();
        co_await rf::with_nursery([this](rf::nursery& racing) -> rf::task<> {
            for (int i = 0; i < clients; ++i)
                racing.spawn([this, i] { return client(i); });
            racing.spawn([this] { return give(); });
            racing.spawn([this] { return take(); });
            racing.spawn([this]() -> rf::task<> {
                co_await rf::this_task::yield();
                scope_.cancel();
                gate_.set();
            });
            co_return;
        });
        check_all();
    }

private:
    static constexpr int clients = 3;
    static constexpr int given = clients;  // the number of the item that give() sends
    static constexpr int items = clients + 1;

    using ending = std::variant<rf::unit, std::optional<value>, rf::sync::mutex_guard, rf::unit,
                                rf::sync::permit>;

    rf::task<> client(int number) {
        mine_[number] = std::make_unique<int>(number);
        if (number != 0) {
            std::unique_ptr<ending> won;
            co_await choose(number, won);
            co_await use(*won);
            co_return;
        }
        std::unique_ptr<ending> won;
        (void)co_await scope_.run(choose(0, won));
        require((won != nullptr) == (effects_[0] == 1), "a cancelled select had an effect");
        ++(won != nullptr ? seen_.in_spite_of_that : seen_.cancelled);
        if (won != nullptr) co_await use(*won);
    }

    // Not as its value: GCC 12 warns of variants in outcomes.
    rf::task<> choose(int number, std::unique_ptr<ending>& end) {
        value& own = mine_[number];
        auto won = co_await rf::select(out_.send(std::move(own)), in_.receive(), lock_.lock(),
                                       gate_.wait(), places_.acquire());
        ++effects_[number];
        require((own == nullptr) == (won.index() == 0), "a send that lost kept its value");
        end = std::make_unique<ending>(std::move(won));
    }

    rf::task<> use(ending& taken) {
        ending won = std::move(taken);  // gives back what it holds in the end
        switch (won.index()) {
        case 0:
            ++sent_;
            ++seen_.sent;
            break;
        case 1:
            note(std::get<1>(won));
            ++seen_.received;
            break;
        case 2:
            require(!inside_ && lock_.is_locked(), "the mutex was held twice");
            inside_ = true;
            co_await rf::this_task::yield();
            inside_ = false;
            ++seen_.locked;
            break;
        case 3: ++seen_.let_through; break;
        default:
            require(++admitted_ == 1 && places_.available() == 0, "there were too many permits");
            co_await rf::this_task::yield();
            --admitted_;
            ++seen_.admitted;
        }
    }

    rf::task<> give() {
        value mine = std::make_unique<int>(given);
        auto won = co_await rf::select(in_.send(std::move(mine)), gate_.wait());
        require((mine == nullptr) == (won.index() == 0), "a send that lost kept its value");
        given_away_ = won.index() == 0;
        held_.unlock();
    }

    rf::task<> take() {
        auto won = co_await rf::select(out_.receive(), gate_.wait());
        if (won.index() == 0) note(std::get<0>(won));
        permit_.release();
    }

    void note(const std::optional<value>& got) {
        require(got.has_value(), "an open channel was at its end");
        ++received_[**got];
    }

    void check_all() {
        int all_received = 0;
        for (int i = 0; i < items; ++i) {
            const bool gone = i == given ? given_away_ : mine_[i] == nullptr;
            require(received_[i] == (gone ? 1 : 0), "an item was lost, or received twice");
            all_received += received_[i];
        }
        require(all_received == sent_ + (given_away_ ? 1 : 0), "more items came than were sent");
        for (int i = 1; i < clients; ++i)
            require(effects_[i] == 1, "a select did not have one effect");
        require(!lock_.is_locked() && places_.available() == 1, "something was not given back");
        for (const auto* channel : {&in_, &out_}) {
            const auto left = channel->statistics();
            require(left.items + left.senders + left.receivers == 0, "a case was left in line");
        }
        require(lock_.statistics().waiting + places_.statistics().waiting +
                        gate_.statistics().waiting ==
                    0,
                "a case was left in line");
    }

    endings& seen_;
    rf::sync::channel<value> in_{0};
    rf::sync::channel<value> out_{0};
    rf::sync::mutex lock_;
    rf::sync::semaphore places_{1};
    rf::sync::event gate_;
    rf::sync::mutex_guard held_;  // until give() lets go
    rf::sync::permit permit_;     // until take() does
    rf::cancel_scope scope_;      // of the first client
    value mine_[clients];
    int effects_[clients] = {};
    int received_[items] = {};
    int sent_ = 0;  // by clients
    bool given_away_ = false;
    bool inside_ = false;
    int admitted_ = 0;
};

bubble_report explore_by(explore how, std::uint32_t runs, endings& all) {
    bubble_options options;
    options.explore = how;
    options.budget.runs = runs;
    options.budget.time = 60s;    // the runs are the bound
    options.budget.switches = 1;  // depth first then tries more of the early choices
    auto one = [&]() -> rf::task<> {
        program each(all);
        co_await each.run();
    };
    return bubble(one, options);
}

}  // namespace

TEST_CASE("select: under any schedule one case takes effect, and nothing is lost or held twice") {
    for (const explore how : {explore::depth_first, explore::pct, explore::random}) {
        CAPTURE(static_cast<int>(how));
        endings seen;
        const bubble_report report = explore_by(how, 3000, seen);
        CHECK(report.failure == "");
        CHECK(report.runs > 100);
        MESSAGE(report.runs << " schedules: " << seen.sent << " selects sent, " << seen.received
                            << " received, " << seen.locked << " locked, " << seen.admitted
                            << " had a permit, " << seen.let_through << " the gate, "
                            << seen.cancelled << " were cancelled, " << seen.in_spite_of_that
                            << " not in time");
        // Each way out was taken, or it was no race.
        CHECK(seen.sent > 0);
        CHECK(seen.received > 0);
        CHECK(seen.locked > 0);
        CHECK(seen.admitted > 0);
        CHECK(seen.let_through > 0);
        CHECK(seen.cancelled > 0);
        CHECK(seen.in_spite_of_that > 0);
    }
}
