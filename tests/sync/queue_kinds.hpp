// SPDX-License-Identifier: MIT
// The kinds of queue, each as the laws in queue_laws_test.cpp see it.
#pragma once

#include <ringfence/sync/broadcast.hpp>
#include <ringfence/sync/channel.hpp>
#include <ringfence/sync/channel_ends.hpp>
#include <ringfence/sync/shared_channel.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <source_location>
#include <utility>

namespace rf::test::queues {

// Passed on, because some of these are made inside std::optional, which is no line to report.
inline constexpr std::source_location made_here = std::source_location::current();

// A value that shows whether it was moved from.
using item = std::shared_ptr<int>;
inline item make(int number) { return std::make_shared<int>(number); }

// `room` is how many items it takes when nobody receives.

template <std::size_t Capacity>
struct of_channel {
    static constexpr const char* kind = "channel";
    static constexpr std::size_t room = Capacity;
    static constexpr bool many_receivers = true;
    auto send(item&& value) { return it.send(std::move(value)); }
    auto receive() { return it.receive(); }
    bool try_send(item&& value) { return it.try_send(std::move(value)); }
    auto try_receive() { return it.try_receive(); }
    bool close() { return it.close(); }
    [[nodiscard]] auto statistics() const { return it.statistics(); }
    [[nodiscard]] std::size_t receivers() const { return it.statistics().receivers; }
    void destroy_receiving_end() { gone.reset(); }
    void destroy_sending_end() { gone.reset(); }
    std::optional<rf::sync::channel<item>> gone{std::in_place, Capacity, made_here};
    rf::sync::channel<item>& it = *gone;
};

template <std::size_t Capacity>
struct of_ends {
    static constexpr const char* kind = "channel";
    static constexpr std::size_t room = Capacity;
    static constexpr bool many_receivers = true;
    auto send(item&& value) { return it.sender.send(std::move(value)); }
    auto receive() { return it.receiver.receive(); }
    bool try_send(item&& value) { return it.sender.try_send(std::move(value)); }
    auto try_receive() { return it.receiver.try_receive(); }
    bool close() { return it.sender.close(); }
    [[nodiscard]] auto statistics() const { return it.sender.statistics(); }
    [[nodiscard]] std::size_t receivers() const { return statistics().receivers; }
    void destroy_receiving_end() { it.receiver = {}; }
    void destroy_sending_end() { it.sender = {}; }
    rf::sync::channel_ends<item> it = rf::sync::open_channel<item>(Capacity, made_here);
};

template <std::size_t Capacity>
struct of_shared_channel {
    static constexpr const char* kind = "shared_channel";
    static constexpr std::size_t room = Capacity;
    static constexpr bool many_receivers = true;
    auto send(item&& value) { return it.send(std::move(value)); }
    auto receive() { return it.receive(); }
    bool try_send(item&& value) { return it.try_send(std::move(value)); }
    auto try_receive() { return it.try_receive(); }
    bool close() { return it.close(); }
    [[nodiscard]] auto statistics() const { return it.statistics(); }
    [[nodiscard]] std::size_t receivers() const { return it.statistics().receivers; }
    void destroy_receiving_end() { gone.reset(); }
    void destroy_sending_end() { gone.reset(); }
    std::optional<rf::sync::shared_channel<item>> gone{std::in_place, Capacity, made_here};
    rf::sync::shared_channel<item>& it = *gone;
};

// One subscriber: with more, each item is received more than once.
template <std::size_t Capacity>
struct of_broadcast {
    static constexpr const char* kind = "broadcast";
    static constexpr std::size_t room = Capacity;
    static constexpr bool many_receivers = false;
    auto send(item&& value) { return it.send(std::move(value)); }
    auto receive() { return mine->receive(); }
    bool try_send(item&& value) { return it.try_send(std::move(value)); }
    auto try_receive() { return mine->try_receive(); }
    bool close() { return it.close(); }
    [[nodiscard]] auto statistics() const { return it.statistics(); }
    [[nodiscard]] std::size_t receivers() const { return it.statistics().waiting; }
    void destroy_receiving_end() { mine.reset(); }
    void destroy_sending_end() { gone.reset(); }
    std::optional<rf::sync::broadcast<item>> gone{std::in_place, Capacity, rf::sync::sender_waits,
                                                  made_here};
    rf::sync::broadcast<item>& it = *gone;
    std::optional<rf::sync::broadcast_receiver<item>> mine = it.subscribe();
};

inline int number_of(const item& got) { return *got; }
inline int number_of(const rf::sync::broadcast_item<item>& got) { return *got.value; }

#define QUEUES                                                                                     \
    of_channel<0>, of_channel<1>, of_channel<64>, of_ends<0>, of_ends<1>, of_ends<64>,             \
        of_shared_channel<1>, of_shared_channel<64>, of_broadcast<1>, of_broadcast<64>

}  // namespace rf::test::queues
