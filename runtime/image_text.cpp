// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/image_text.hpp>

#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/detail/user_line.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace rf::detail {

const frame_words& frame_dictionary::of(const frame_image& frame) {
    const key name{frame.at.file_name(), frame.created.function_name(), frame.at.line()};
    const auto found = words_.find(name);
    if (found != words_.end()) return found->second;
    frame_words made;
    made.function = short_name(frame.created.function_name());
    made.library = is_library_line(frame.at.line() != 0 ? frame.at : frame.created);
    if (frame.at.line() != 0) made.place = to_string(frame.at);
    return words_.emplace(name, std::move(made)).first->second;
}

const std::string& frame_dictionary::place(const std::source_location& line) {
    const key name{line.file_name(), nullptr, line.line()};
    const auto found = words_.find(name);
    if (found != words_.end()) return found->second.place;
    return words_.emplace(name, frame_words{{}, to_string(line), is_library_line(line)})
        .first->second.place;
}

image_tree::image_tree(const loop_image& image)
    : image_(image), children_(image.scopes.size()), shown_(image.scopes.size(), false) {
    std::vector<std::uint32_t> order(image.tasks.size());
    for (std::uint32_t i = 0; i < order.size(); ++i)
        order[i] = i;
    std::ranges::sort(order, {}, [&](std::uint32_t at) { return image.tasks[at].id; });
    for (const std::uint32_t task : order)
        children_[image.tasks[task].home].push_back(task);
    for (std::uint32_t i = 0; i < image.scopes.size(); ++i) {
        const scope_image& scope = image.scopes[i];
        if (scope.kind == scope_kind::services) continue;  // shown with its nursery
        if (scope.host != 0)
            opened_[scope.host].push_back(i);
        else if (scope.kind != scope_kind::root)
            without_host_.push_back(i);
    }
    entries_.reserve(image.tasks.size() + image.scopes.size());
    if (image.top == no_place) return;
    if (image.scopes[image.top].kind != scope_kind::root) {
        add_from(image.top);
        return;
    }
    shown_[image.top] = true;
    for (const std::uint32_t scope : without_host_)
        add_from(scope);
    // Their hosts ended while the image was made.
    for (std::uint32_t i = 0; i < image.scopes.size(); ++i)
        if (image.scopes[i].kind != scope_kind::services) add_from(i);
}

// Without recursion: scopes nest as deep as users nest them.
void image_tree::add_from(std::uint32_t scope) {
    if (shown_[scope]) return;
    std::vector<entry> todo{{scope, false, 0}};
    while (!todo.empty()) {
        const entry at = todo.back();
        todo.pop_back();
        const std::vector<std::uint32_t>* inside = nullptr;
        if (at.is_task) {
            const auto found = opened_.find(image_.tasks[at.place].id);
            if (found != opened_.end()) inside = &found->second;
        } else {
            if (shown_[at.place]) continue;
            shown_[at.place] = true;
            inside = &children_[at.place];
        }
        entries_.push_back(at);
        if (inside == nullptr) continue;
        for (auto one = inside->rbegin(); one != inside->rend(); ++one)
            todo.push_back({*one, !at.is_task, at.depth + 1});
    }
}

namespace {

class tree_writer {
public:
    tree_writer(const loop_image& image, bool addresses, const text_sink& sink)
        : image_(image), addresses_(addresses), sink_(sink) {}

    void run() {
        const image_tree tree(image_);
        for (const image_tree::entry& at : tree.entries()) {
            if (at.is_task)
                write_task(image_.tasks[at.place], at.depth * 2);
            else
                write_scope(image_.scopes[at.place], at.depth * 2);
            if (text_.size() >= flush_at) flush();
        }
        if (image_.missed != 0)
            format("{} tasks are missing here: memory ran out\n", image_.missed);
        flush();
    }

private:
    static constexpr std::size_t flush_at = 64 * 1024;

    template <class... Args>
    void format(fmt::format_string<Args...> words, Args&&... args) {
        fmt::format_to(std::back_inserter(text_), words, std::forward<Args>(args)...);
    }
    void indent(int columns) { text_.append(static_cast<std::size_t>(columns), ' '); }

    void flush() {
        if (!text_.empty()) sink_(text_);
        text_.clear();
    }

    void write_scope(const scope_image& scope, int column) {
        indent(column);
        text_ += to_string(scope.kind);
        if (scope.is_nursery) {
            if (!scope.name.empty()) format(" \"{}\"", scope.name);
            format(", {} alive", scope.alive);
            if (scope.waiting_to_spawn != 0)
                format(", {} waiting to spawn", scope.waiting_to_spawn);
        }
        if (scope.deadline != instant_never)
            format(", {} left", age_text(scope.deadline - image_.taken));
        if (scope.cause != cancel_cause::none)
            format(", CANCELLED at {}: {}{}{}", dictionary_.place(scope.cancelled_at),
                   rf::to_string(scope.cause), scope.reason.empty() ? "" : ": ", scope.reason);
        else if (scope.cancelled)
            text_ += ", CANCELLED from outside";
        if (scope.draining) text_ += ", draining";
        format(" (opened at {})\n", dictionary_.place(scope.opened));
    }

    void write_task(const task_image& task, int column) {
        indent(column);
        format("task {}", task.id);
        if (!task.name.empty()) format(" \"{}\"", task.name);
        write_labels(task);
        if (task.service) text_ += " (service)";
        write_state(task);
        text_ += " (spawned at ";
        text_ += dictionary_.place(task.spawned);
        text_ += ")\n";
        const bool more =
            dictionary_.for_each(image_, task, [&](const frame_image&, const frame_words& words) {
                indent(column + 4);
                if (task.started && !words.place.empty()) {
                    text_ += "at ";
                    text_ += words.place;
                    text_ += ' ';
                }
                text_ += "in ";
                text_ += words.function;
                text_ += '\n';
            });
        if (!more) return;
        indent(column + 4);
        text_ += "... and more frames\n";
    }

    void write_labels(const task_image& task) {
        for (std::uint32_t i = 0; i < task.labels; ++i) {
            const label_image& label = image_.labels[task.first_label + i];
            format("{}{}={}", i == 0 ? " {" : ", ", label.key, label.value);
        }
        if (task.labels != 0) text_ += '}';
    }

    void write_state(const task_image& task) {
        switch (task.state) {
        case task_state::ready:
            text_ += task.started ? ": ready to run" : ": not started yet";
            return;
        case task_state::running: text_ += ": running"; return;
        case task_state::unwinding: text_ += ": unwinding"; return;
        case task_state::finished: text_ += ": finished"; return;
        case task_state::waiting: break;
        }
        text_ += ": ";
        text_ += task.wait_kind;
        text_ += " for ";
        text_ += task.what;
        if (addresses_ && task.object != nullptr) format(" [{}]", task.object);
        text_ += ", ";
        text_ += age_text(task.age);
        if (!task.owner.empty()) {
            text_ += ", to be woken by ";
            text_ += task.owner;
        }
        if (!task.cancellable) text_ += ", not cancellable";
        if (task.cancelled) text_ += ", CANCELLED and not yet unwound";
    }

    const loop_image& image_;
    const bool addresses_;
    const text_sink& sink_;
    std::string text_;
    frame_dictionary dictionary_;
};

}  // namespace

void write_tree(const loop_image& image, bool addresses, const text_sink& sink) {
    tree_writer(image, addresses, sink).run();
}

}  // namespace rf::detail
