// SPDX-License-Identifier: MIT
// A publisher that drops a consumer whose patience, not memory, is spent: slow_consumer
//
// Each consumer has a small channel. A full one may hold the publisher up for a while, and is then
// closed: the slow consumer hears of it, and nobody else waits any longer.
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel.hpp>

#include <chrono>
#include <cstdio>
#include <list>

namespace {

using namespace std::chrono_literals;
using rf::sync::channel;

struct subscriber {
    const char* name;
    std::chrono::milliseconds pace;
    channel<int> inbox{4};
};

rf::task<> consume(subscriber& self) {
    int received = 0;
    while (auto item = co_await self.inbox.receive()) {
        ++received;
        co_await rf::sleep_for(self.pace);
    }
    std::printf("%s: %d items\n", self.name, received);
}

// [publish]
rf::task<> publish(std::list<subscriber*> readers, int count) {
    for (int item = 0; item < count; ++item) {
        for (auto at = readers.begin(); at != readers.end();) {
            channel<int>& inbox = (*at)->inbox;
            auto won = co_await rf::select(inbox.send(item), rf::sleep_for(20ms));
            if (won.index() == 0) {
                ++at;
            } else {
                std::printf("%s is too slow and is dropped\n", (*at)->name);
                inbox.close();
                at = readers.erase(at);
            }
        }
    }
    for (subscriber* one : readers)
        one->inbox.close();
}
// [/publish]

rf::task<> program() {
    subscriber quick{.name = "quick", .pace = 1ms};
    subscriber slow{.name = "slow", .pace = 1h};
    co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
        all.spawn(consume, std::ref(quick));
        all.spawn([&]() -> rf::task<> {
            // It never comes back by itself: what it is busy with is limited too.
            co_await rf::move_on_after(100ms, consume(slow));
            std::printf("slow: gone\n");
        });
        all.spawn(publish, std::list{&quick, &slow}, 100);
        co_return;
    });
}

}  // namespace

int main() { return rf::run(program); }
