// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace test {

/// Knows which tracked objects are alive, by address, and what went wrong with them.
struct object_ledger {
    std::set<const void*> live;
    std::size_t made = 0;
    std::size_t destroyed_twice = 0;
    std::vector<std::string> order;  // labels, in the order of destruction

    [[nodiscard]] bool clean() const { return live.empty() && destroyed_twice == 0; }
};

/// An object that enters its ledger when made, moved or copied, and leaves it once.
class tracked {
public:
    explicit tracked(object_ledger& ledger, std::string label = {})
        : ledger_(&ledger), label_(std::move(label)) {
        enter();
    }
    tracked(const tracked& other) : ledger_(other.ledger_), label_(other.label_) { enter(); }
    tracked(tracked&& other) noexcept : ledger_(other.ledger_), label_(std::move(other.label_)) {
        other.label_.clear();
        enter();
    }
    tracked& operator=(const tracked&) = delete;
    ~tracked() {
        if (ledger_->live.erase(this) == 0) {
            ++ledger_->destroyed_twice;
            return;
        }
        if (!label_.empty()) ledger_->order.push_back(label_);
    }
    [[nodiscard]] const std::string& label() const { return label_; }

private:
    void enter() {
        ledger_->live.insert(this);
        ++ledger_->made;
    }
    object_ledger* ledger_;
    std::string label_;
};

}  // namespace test
