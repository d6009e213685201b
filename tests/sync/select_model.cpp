// SPDX-License-Identifier: MIT
#include "select_model.hpp"

#include <algorithm>

namespace rf::test {

select_model::select_model() {
    for (const std::size_t capacity : capacities)
        all_channels.push_back({.capacity = capacity, .items = {}, .senders = {}, .receivers = {}});
}

bool select_model::is_ready(int client, const one_case& one) const {
    const channel& at = all_channels[one.object];
    switch (one.what) {
    case kind::receive: return !at.items.empty() || !at.senders.empty() || at.closed;
    case kind::send: return at.closed || !at.receivers.empty() || at.items.size() < at.capacity;
    case kind::gate: return gate_open;
    case kind::permit: return permit_line.empty() && permits_left >= one.amount;
    case kind::lock: return !locked;
    case kind::sleep: return false;
    case kind::child: return child_ended_.contains(client);
    }
    return false;
}

std::vector<int> select_model::ready(int client, const std::vector<one_case>& cases) const {
    std::vector<int> found;
    for (std::size_t i = 0; i < cases.size(); ++i)
        if (is_ready(client, cases[i])) found.push_back(static_cast<int>(i));
    return found;
}

std::int64_t select_model::take_item(channel& from) {
    if (from.items.empty() && from.senders.empty()) return -1;
    if (!from.senders.empty()) {
        const place next = from.senders.front();
        decide(next, 1);
        from.items.push_back(next.what.amount);
    }
    const std::int64_t item = from.items.front();
    from.items.pop_front();
    return item;
}

select_model::outcome select_model::commit(const one_case& chosen, int index) {
    outcome end{.index = index, .value = 0};
    switch (chosen.what) {
    case kind::receive: end.value = take_item(all_channels[chosen.object]); break;
    case kind::send: end.value = try_send(chosen.object, chosen.amount) ? 1 : 0; break;
    case kind::gate: gate_open = false; break;
    case kind::permit: permits_left -= chosen.amount; break;
    case kind::lock: locked = true; break;
    case kind::sleep: break;
    case kind::child: end.value = child_value; break;
    }
    return end;
}

void select_model::wait(int client, const std::vector<one_case>& cases) {
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const place here{.client = client, .index = static_cast<int>(i), .what = cases[i]};
        switch (cases[i].what) {
        case kind::receive: all_channels[cases[i].object].receivers.push_back(here); break;
        case kind::send: all_channels[cases[i].object].senders.push_back(here); break;
        case kind::gate: gate_line.push_back(here); break;
        case kind::permit: permit_line.push_back(here); break;
        case kind::lock: lock_line.push_back(here); break;
        case kind::sleep:
            sleeps_.insert(
                std::ranges::upper_bound(sleeps_, here.what.amount, {},
                                         [](const place& other) { return other.what.amount; }),
                here);
            break;
        case kind::child: children_.push_back(here); break;
        }
    }
}

void select_model::leave(int client) {
    const auto out = [client](line& from) {
        std::erase_if(from, [client](const place& one) { return one.client == client; });
    };
    for (channel& one : all_channels) {
        out(one.senders);
        out(one.receivers);
    }
    for (line* one : {&gate_line, &permit_line, &lock_line, &sleeps_, &children_})
        out(*one);
}

void select_model::decide(const place& winner, std::int64_t value) {
    const place won = winner;
    outcomes_[won.client] = {.index = won.index, .value = value};
    leave(won.client);
    admit();
}

void select_model::admit() {
    while (!permit_line.empty() && permit_line.front().what.amount <= permits_left) {
        const place next = permit_line.front();
        permits_left -= next.what.amount;
        decide(next, 0);
    }
}

void select_model::cancel(int client) {
    if (outcomes_.contains(client)) return;
    outcomes_[client] = {.index = cancelled, .value = 0};
    leave(client);
    admit();
}

select_model::outcome select_model::outcome_of(int client) const {
    const auto found = outcomes_.find(client);
    return found == outcomes_.end() ? outcome{} : found->second;
}

bool select_model::try_send(std::size_t which, std::int64_t value) {
    auto& to = all_channels[which];
    if (to.closed) return false;
    if (!to.receivers.empty()) {
        decide(to.receivers.front(), value);
        return true;
    }
    if (to.items.size() >= to.capacity) return false;
    to.items.push_back(value);
    return true;
}

bool select_model::try_receive(std::size_t which, std::int64_t& value) {
    auto& from = all_channels[which];
    if (from.items.empty() && from.senders.empty()) return false;
    value = take_item(from);
    return true;
}

void select_model::close(std::size_t which) {
    auto& at = all_channels[which];
    if (at.closed) return;
    at.closed = true;
    while (!at.receivers.empty())
        decide(at.receivers.front(), -1);
    while (!at.senders.empty())
        decide(at.senders.front(), 0);
}

void select_model::set_gate() {
    if (gate_line.empty())
        gate_open = true;
    else
        decide(gate_line.front(), 0);
}

void select_model::release_permits(std::int64_t count) {
    permits_left += count;
    admit();
}

void select_model::unlock() {
    locked = !lock_line.empty();
    if (locked) decide(lock_line.front(), 0);
}

void select_model::end_child(int client) {
    child_ended_[client] = true;
    for (const place& one : children_)
        if (one.client == client) return decide(one, child_value);
}

void select_model::pass_time(std::int64_t now) {
    while (!sleeps_.empty() && sleeps_.front().what.amount <= now)
        decide(sleeps_.front(), 0);
}

}  // namespace rf::test
