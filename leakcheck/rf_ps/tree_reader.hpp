// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/rf_ps/memory.hpp>
#include <ringfence/leakcheck/rf_ps/registry.hpp>
#include <ringfence/runtime/detail/task_image.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <source_location>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace rf::leakcheck::rf_ps {

/// What was seen of one loop.
struct loop_reading {
    std::unique_ptr<rf::detail::loop_image> image;  // its lines are the reader's
    bool at_once = true;         // no task ran meanwhile, so that all of it was so at one moment
    std::uint64_t left_out = 0;  // lists and tasks that changed too fast, or are damaged
};

/// Copies the task tree of a loop in another program, as detail::image_builder does in its own.
///
/// Nothing is stopped, so things change under the reader's eyes. The loop's beat tells whether they
/// did; then it reads again, a few times. In a loop that never rests it makes do: each record must
/// agree with its neighbours and with what holds it, or it is left out, and a list that breaks is
/// walked anew from its head for what was not seen yet. All walks are bounded.
///
/// Lifetime: that of the images.
class tree_reader {
public:
    tree_reader(const memory& of, const registry& known) : memory_(of), offsets_(known.offsets()) {}

    /// Throws torn if there is no such loop any more.
    [[nodiscard]] loop_reading read(address loop);

    /// How many tasks it has, by its own count. Throws torn.
    [[nodiscard]] std::uint64_t count_tasks(address loop) const;

private:
    // As a source_location of libstdc++ points at it.
    struct line_record {
        const char* file;
        const char* function;
        unsigned line;
        unsigned column;
    };

    [[nodiscard]] loop_reading read_once(address loop);
    void read_scope(address scope, address parent);
    void read_task(address task, const record& bytes, std::uint32_t scope);
    void read_origin(address origin, rf::detail::task_image& into);
    void read_frames(address leaf, rf::detail::task_image& into);
    void read_wait(address wait, rf::detail::task_image& into);
    void settle();
    template <class Visit>
    void walk_list(address head, std::size_t item_bytes, Visit&& visit);
    [[nodiscard]] std::source_location line_at(address place);
    [[nodiscard]] std::source_location line_of(const record& from, std::uint32_t offset) {
        return line_at(from.get<address>(offset));
    }
    [[nodiscard]] const std::string& type_of(address object);
    [[nodiscard]] std::string name_of_type(address functions) const;

    const memory& memory_;
    const registry::layout& offsets_;

    // Of what is being read.
    loop_reading reading_;
    rf::detail::loop_image* image_ = nullptr;
    std::uint64_t records_left_ = 0;
    std::vector<std::pair<address, address>> scopes_to_read_;  // each with its parent
    std::unordered_map<address, std::uint32_t> place_of_scope_;
    std::unordered_map<address, std::uint64_t> number_of_task_;
    std::vector<address> hosts_;     // of each scope
    std::vector<address> tasks_at_;  // where each task is

    std::deque<line_record> lines_;
    std::deque<std::string> texts_;
    std::unordered_map<address, std::source_location> line_known_;
    std::unordered_map<address, std::string> type_known_;
};

}  // namespace rf::leakcheck::rf_ps
