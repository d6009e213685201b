// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/rf_ps/tree_reader.hpp>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <ctime>
#include <cxxabi.h>
#include <string_view>
#include <unordered_set>

namespace rf::leakcheck::rf_ps {
namespace {

using rf::detail::frame_image;
using rf::detail::scope_image;
using rf::detail::scope_kind;
using rf::detail::task_image;
using rf::detail::task_state;

constexpr int tries_max = 4;   // for a picture of one moment
constexpr int walks_max = 64;  // of one list that breaks
constexpr std::uint64_t records_max = 50'000'000;
constexpr std::uint16_t frames_max = 128;  // of one task

template <class Enum>
[[nodiscard]] Enum checked(std::uint8_t value, Enum last) {
    if (value > static_cast<std::uint8_t>(last)) throw torn();
    return static_cast<Enum>(value);
}

[[nodiscard]] instant monotonic_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return instant{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

std::uint64_t tree_reader::count_tasks(address loop) const {
    return read_at<std::uint64_t>(memory_, loop + offsets_.loop_tasks_live);
}

loop_reading tree_reader::read(address loop) {
    for (int tries = 1;; ++tries) {
        const auto before = read_at<std::uint64_t>(memory_, loop + offsets_.loop_beat);
        loop_reading seen = read_once(loop);
        if (!memory_.alive()) return seen;
        const auto after = read_at<std::uint64_t>(memory_, loop + offsets_.loop_beat);
        seen.at_once = before == after && before % 2 == 1;  // even: a task runs
        if (seen.at_once || tries == tries_max) return seen;
    }
}

loop_reading tree_reader::read_once(address loop) {
    reading_ = {.image = std::make_unique<rf::detail::loop_image>()};
    image_ = reading_.image.get();
    image_->counted.tasks_live = count_tasks(loop);
    image_->counted.tasks_started =
        read_at<std::uint64_t>(memory_, loop + offsets_.loop_tasks_started);
    image_->taken = read_at<instant>(memory_, loop + offsets_.loop_now);
    // The loop's own is as old as its last turn.
    if (memory_.alive()) image_->taken = std::max(image_->taken, monotonic_now());
    image_->top = 0;
    records_left_ = records_max;
    place_of_scope_.clear();
    number_of_task_.clear();
    hosts_.clear();
    tasks_at_.clear();
    scopes_to_read_.assign(1, {loop + offsets_.loop_root, 0});
    while (!scopes_to_read_.empty()) {
        const auto [scope, parent] = scopes_to_read_.back();
        scopes_to_read_.pop_back();
        try {
            read_scope(scope, parent);
        } catch (const torn&) {
            if (parent == 0) throw;
            ++reading_.left_out;
        }
    }
    settle();
    return std::move(reading_);
}

// Calls `visit(address, record)` for each item of a list. An item that was taken out while the walk
// was at it leads astray: then the walk begins anew, and passes over what it has seen.
template <class Visit>
void tree_reader::walk_list(address head, std::size_t item_bytes, Visit&& visit) {
    std::unordered_set<address> seen;
    for (int walks = 1;; ++walks) {
        try {
            address previous = head;
            address at = read_at<address>(memory_, head + offsets_.hook_next);
            while (at != head) {
                if (records_left_ == 0) break;
                --records_left_;
                const record item(memory_, at, item_bytes);
                if (item.get<address>(offsets_.hook_previous) != previous) throw torn();
                previous = at;
                if (seen.insert(at).second) visit(at, item);
                at = item.get<address>(offsets_.hook_next);
            }
            return;
        } catch (const torn&) {
            if (walks < walks_max && memory_.alive()) continue;
            ++reading_.left_out;
            return;
        }
    }
}

void tree_reader::read_scope(address scope, address parent) {
    const record bytes(memory_, scope, offsets_.scope_bytes);
    if (bytes.get<address>(offsets_.scope_parent) != parent || place_of_scope_.contains(scope))
        throw torn();
    scope_image made;
    made.kind = checked(bytes.get<std::uint8_t>(offsets_.scope_kind), scope_kind::race);
    made.cause =
        checked(bytes.get<std::uint8_t>(offsets_.scope_cause), cancel_cause::drain_expired);
    made.cancelled = bytes.get<std::uint8_t>(offsets_.scope_cancelled) != 0;
    made.draining = bytes.get<std::uint8_t>(offsets_.scope_draining) != 0;
    made.deadline = bytes.get<instant>(offsets_.scope_deadline);
    made.opened = line_of(bytes, offsets_.scope_opened);
    if (made.cause != cancel_cause::none) {
        made.cancelled_at = line_of(bytes, offsets_.scope_cancelled_at);
        auto reason = bytes.get<address>(offsets_.scope_literal_reason);
        const auto kept = bytes.get<address>(offsets_.scope_reason);
        if (reason == 0 && kept != 0) reason = read_at<address>(memory_, kept);
        made.reason = image_->texts.keep(read_text(memory_, reason));
    }
    if (const auto nursery = bytes.get<address>(offsets_.scope_nursery);
        nursery != 0 && nursery + offsets_.nursery_scope == scope) {
        made.is_nursery = true;
        const auto name = read_at<address>(memory_, nursery + offsets_.nursery_name);
        made.name = image_->texts.keep(read_text(memory_, name));
    }
    if (const auto above = place_of_scope_.find(parent); above != place_of_scope_.end())
        made.parent = above->second;
    const auto place = static_cast<std::uint32_t>(image_->scopes.size());
    image_->scopes.push() = made;
    hosts_.push_back(bytes.get<address>(offsets_.scope_host));
    place_of_scope_.emplace(scope, place);

    walk_list(scope + offsets_.scope_tasks, offsets_.task_bytes,
              [&](address at, const record& task) {
                  if (task.get<address>(offsets_.task_scope) != scope) throw torn();
                  if (number_of_task_.contains(at)) return;  // it moved here since
                  read_task(at, task, place);
              });
    walk_list(scope + offsets_.scope_children, offsets_.scope_bytes,
              [&](address at, const record&) { scopes_to_read_.emplace_back(at, scope); });
}

void tree_reader::read_task(address task, const record& bytes, std::uint32_t scope) {
    task_image made;
    made.id = bytes.get<std::uint64_t>(offsets_.task_id);
    if (made.id == 0) throw torn();
    made.scope = scope;
    made.cancelled = image_->scopes[scope].cancelled;
    made.state = checked(bytes.get<std::uint8_t>(offsets_.task_state), task_state::finished);
    made.started = bytes.get<std::uint8_t>(offsets_.task_started) != 0;
    made.service = bytes.get<std::uint8_t>(offsets_.task_service) != 0;
    try {
        read_origin(bytes.get<address>(offsets_.task_spawned), made);
        if (made.state == task_state::waiting)
            read_wait(bytes.get<address>(offsets_.task_wait), made);
        read_frames(bytes.get<address>(offsets_.task_leaf), made);
    } catch (const torn&) {
        // It went on, or ended. Its list may still be whole.
        ++reading_.left_out;
        return;
    }
    number_of_task_.emplace(task, made.id);
    tasks_at_.push_back(task);
    image_->tasks.push() = made;
}

void tree_reader::read_origin(address origin, task_image& into) {
    if ((origin & offsets_.task_named_tag) != 0) {
        const address both = origin & ~address{offsets_.task_named_tag};
        const auto name = read_at<address>(memory_, both + offsets_.named_name);
        into.name = image_->texts.keep(read_text(memory_, name));
        origin = read_at<address>(memory_, both + offsets_.named_spawned);
    }
    into.spawned = line_at(origin);
}

void tree_reader::read_frames(address leaf, task_image& into) {
    into.first_frame = static_cast<std::uint32_t>(image_->frames.size());
    for (address at = leaf; at != 0;) {
        if (into.frames == frames_max) {
            into.frames_cut = true;
            return;
        }
        const record bytes(memory_, at, offsets_.frame_bytes);
        const frame_image made{line_of(bytes, offsets_.frame_at),
                               line_of(bytes, offsets_.frame_created)};
        image_->frames.push() = made;
        ++into.frames;
        const address link =
            bytes.get<address>(offsets_.frame_link) & ~address{offsets_.frame_link_tag};
        if (link == 0) return;
        at = read_at<address>(memory_, link + offsets_.link_parent) &
             ~address{offsets_.link_parent_tag};
    }
}

void tree_reader::read_wait(address wait, task_image& into) {
    into.wait_kind = "wait";
    into.what = type_of(wait);
    if (offsets_.wait_since == registry::layout::nowhere) return;
    const auto since = read_at<instant>(memory_, wait + offsets_.wait_since);
    into.age = std::max<instant>(image_->taken - since, 0);
}

// What could not be said before all of it was read: who is whose, by place and number.
void tree_reader::settle() {
    for (std::uint32_t i = 0; i < hosts_.size(); ++i)
        if (const auto host = number_of_task_.find(hosts_[i]); host != number_of_task_.end())
            image_->scopes[i].host = host->second;
    for (std::uint32_t i = 0; i < tasks_at_.size(); ++i) {
        task_image& task = image_->tasks[i];
        // Of the nearest scope that is a nursery's and not its own. Scopes come after their
        // parents.
        task.home = task.scope;
        while (!image_->scopes[task.home].is_nursery || hosts_[task.home] == tasks_at_[i]) {
            const std::uint32_t above = image_->scopes[task.home].parent;
            if (above >= task.home) break;
            task.home = above;
        }
        ++image_->scopes[task.home].alive;
    }
}

std::source_location tree_reader::line_at(address place) {
    if (place == 0) return {};
    const auto known = line_known_.find(place);
    if (known != line_known_.end()) return known->second;
    const record bytes(memory_, place, 24);
    const auto text = [&](std::uint32_t offset) {
        return texts_.emplace_back(read_text(memory_, bytes.get<address>(offset), 4096)).c_str();
    };
    const line_record& made =
        lines_.emplace_back(line_record{text(offsets_.line_file), text(offsets_.line_function),
                                        bytes.get<unsigned>(offsets_.line_number), 0});
    static_assert(sizeof(std::source_location) == sizeof(const line_record*));
    return line_known_.emplace(place, std::bit_cast<std::source_location>(&made)).first->second;
}

// describe() runs in the program alone; from outside, the type of the wait has to do.
const std::string& tree_reader::type_of(address object) {
    const auto functions = read_at<address>(memory_, object);
    const auto known = type_known_.find(functions);
    if (known != type_known_.end()) return known->second;
    return type_known_.emplace(functions, name_of_type(functions)).first->second;
}

// By the ABI the word before the virtual functions leads to the type, whose second word leads to
// its name. Without type information it is null.
std::string tree_reader::name_of_type(address functions) const {
    std::string name;
    try {
        const auto type = read_at<address>(memory_, functions - sizeof(address));
        if (type != 0) name = read_text(memory_, read_at<address>(memory_, type + 8), 4096);
    } catch (const torn&) {
        return "something";
    }
    if (name.starts_with('*')) name.erase(0, 1);
    if (name.empty()) return "something";
    int failed = 0;
    char* words = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &failed);
    if (words == nullptr || failed != 0) return "something";
    name = words;
    std::free(words);
    for (const std::string_view noise : {"rf::", "detail::"})
        for (auto at = name.find(noise); at != name.npos; at = name.find(noise))
            name.erase(at, noise.size());
    return name;
}

}  // namespace rf::leakcheck::rf_ps
