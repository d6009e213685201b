// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

namespace rf::test {

/// What select should do, written down as plainly as it goes: some objects, the lines in front of
/// them, and clients that each stand in several lines until the first thing happens to them.
///
/// Written without a look at how the library does it: lines are lists of (client, case), and
/// leaving them is a search through all.
class select_model {
public:
    enum class kind { receive, send, gate, permit, lock, sleep, child };

    struct one_case {
        kind what;
        std::size_t object = 0;   // which channel; 0 where there is one
        std::int64_t amount = 0;  // the value sent, the permits wanted, or the deadline
    };
    struct outcome {
        int index = -1;           // of the case that won; -1: none yet
        std::int64_t value = -1;  // received, -1 for a closed channel; 1 for a send, 0 if it failed
    };
    static constexpr int cancelled = -2;

    select_model();

    // What clients do.

    /// The cases that could be done at once, by index.
    [[nodiscard]] std::vector<int> ready(int client, const std::vector<one_case>& cases) const;
    /// Does that one. For one that is ready.
    outcome commit(const one_case& chosen, int index);
    /// Puts the client in all lines.
    void wait(int client, const std::vector<one_case>& cases);
    void cancel(int client);
    [[nodiscard]] outcome outcome_of(int client) const;

    // What the world does.

    bool try_send(std::size_t which, std::int64_t value);
    bool try_receive(std::size_t which, std::int64_t& value);
    void close(std::size_t which);
    void set_gate();
    void release_permits(std::int64_t count);
    void unlock();
    void end_child(int client);
    /// Lets all sleeps end that are due, in order.
    void pass_time(std::int64_t now);

    static constexpr std::size_t channels = 2;
    static constexpr std::size_t capacities[channels] = {0, 2};
    static constexpr std::int64_t permits = 3;
    static constexpr int child_value = 7;  // what every child returns

    struct place {
        int client;
        int index;
        one_case what;
    };
    using line = std::deque<place>;
    struct channel {
        std::size_t capacity;
        std::deque<std::int64_t> items;
        line senders;
        line receivers;
        bool closed = false;
    };
    std::vector<channel> all_channels;
    line gate_line;
    line permit_line;
    line lock_line;
    bool gate_open = false;
    bool locked = false;
    std::int64_t permits_left = permits;

private:
    [[nodiscard]] bool is_ready(int client, const one_case& one) const;
    [[nodiscard]] std::int64_t take_item(channel& from);
    void decide(const place& winner, std::int64_t value);
    /// Out of all lines; then whoever waited behind may pass.
    void leave(int client);
    void admit();

    line sleeps_;    // by deadline
    line children_;  // who waits for its child
    std::map<int, bool> child_ended_;
    std::map<int, outcome> outcomes_;
};

}  // namespace rf::test
