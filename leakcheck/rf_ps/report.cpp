// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/rf_ps/report.hpp>

#include <ringfence/leakcheck/rf_ps/refusal.hpp>
#include <ringfence/leakcheck/rf_ps/registry.hpp>
#include <ringfence/leakcheck/rf_ps/tree_reader.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/detail/image_text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace rf::leakcheck::rf_ps {
namespace {

using rf::detail::frame_dictionary;
using rf::detail::frame_image;
using rf::detail::frame_words;
using rf::detail::loop_image;
using rf::detail::task_image;
using rf::detail::task_state;

constexpr int tries_max = 100;

[[nodiscard]] std::string state_words(const task_image& task) {
    switch (task.state) {
    case task_state::ready: return task.started ? "ready to run" : "not started yet";
    case task_state::running: return "running";
    case task_state::unwinding: return "unwinding";
    case task_state::finished: return "finished";
    case task_state::waiting: break;
    }
    std::string words = fmt::format("wait for {}, {}", task.what, rf::detail::age_text(task.age));
    if (task.cancelled) words += ", CANCELLED and not yet unwound";
    return words;
}

// "7 "transfer": wait for sync::mutex, 3 s, at shop.cpp:21 in transfer (spawned at shop.cpp:40)"
void print_lines(const loop_image& image) {
    std::vector<const task_image*> order;
    order.reserve(image.tasks.size());
    for (std::uint32_t i = 0; i < image.tasks.size(); ++i)
        order.push_back(&image.tasks[i]);
    std::ranges::sort(order, {}, &task_image::id);
    frame_dictionary words;
    for (const task_image* task : order) {
        std::string line = fmt::format("  task {}", task->id);
        if (!task->name.empty()) line += fmt::format(" \"{}\"", task->name);
        line += ": " + state_words(*task);
        bool first = true;
        words.for_each(image, *task, [&](const frame_image&, const frame_words& frame) {
            if (!first) return;
            first = false;
            if (task->started && !frame.place.empty()) line += fmt::format(", at {}", frame.place);
            line += fmt::format(" in {}", frame.function);
        });
        line += fmt::format(" (spawned at {})\n", words.place(task->spawned));
        std::fputs(line.c_str(), stdout);
    }
}

void print_loop(const loop_reading& seen, bool tree) {
    const loop_image& image = *seen.image;
    if (tree)
        rf::detail::write_tree(image, false, [](std::string_view part) {
            std::fwrite(part.data(), 1, part.size(), stdout);
        });
    else
        print_lines(image);
    if (!seen.at_once)
        std::puts("  (tasks ran while this was read: not all of it was so at one moment)");
    if (seen.left_out != 0)
        fmt::print("  ({} tasks or lists were left out: they are damaged, or changed too fast)\n",
                   seen.left_out);
}

[[nodiscard]] registry known_registry(const memory& of) {
    auto found = registry::find(of);
    if (!found)
        throw refusal(fmt::format("{} is not a program with ringfence in it, or its ringfence is "
                                  "older than rf-ps",
                                  of.words()));
    return *found;
}

// The loops that are there. The list is short and changes seldom, so that it is soon seen whole.
[[nodiscard]] std::vector<address> loops_of(const memory& of, const registry& known) {
    for (int tries = 1;; ++tries) {
        try {
            return known.loops(of);
        } catch (const torn&) {
            if (tries == tries_max || !of.alive())
                throw refusal(fmt::format("the list of loops of {} is damaged", of.words()));
        }
    }
}

}  // namespace

void print_tasks(const memory& of, bool tree) {
    const registry known = known_registry(of);
    const std::vector<address> loops = loops_of(of, known);
    fmt::print("{}: ringfence {}, {} loop{}\n", of.words(), known.offsets().library, loops.size(),
               loops.size() == 1 ? "" : "s");
    tree_reader reader(of, known);
    for (std::size_t i = 0; i < loops.size(); ++i) {
        try {
            const loop_reading seen = reader.read(loops[i]);
            fmt::print("loop {}: {} tasks alive, {} started\n", i + 1,
                       seen.image->counted.tasks_live, seen.image->counted.tasks_started);
            print_loop(seen, tree);
        } catch (const torn&) {
            fmt::print("loop {}: {}\n", i + 1,
                       of.alive() ? "ended while it was looked at" : "is damaged");
        }
    }
}

}  // namespace rf::leakcheck::rf_ps
