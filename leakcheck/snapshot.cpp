// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/snapshot.hpp>

#include <ringfence/leakcheck/detail/report_file.hpp>
#include <ringfence/leakcheck/detail/signal_context.hpp>
#include <ringfence/leakcheck/detail/snapshot_formats.hpp>
#include <ringfence/runtime/checkpoint.hpp>
#include <ringfence/runtime/detail/image_builder.hpp>
#include <ringfence/runtime/detail/image_text.hpp>
#include <ringfence/runtime/loop.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

namespace rf::leakcheck {

using rf::detail::image_builder;
using rf::detail::loop_image;
using steady = std::chrono::steady_clock;

task_snapshot::task_snapshot(std::unique_ptr<const loop_image> image, std::chrono::nanoseconds took,
                             std::chrono::nanoseconds pause) noexcept
    : image_(std::move(image)), took_(took), pause_(pause) {}

std::size_t task_snapshot::tasks() const noexcept {
    return image_ != nullptr ? image_->tasks.size() : 0;
}

void task_snapshot::write(snapshot_format format, const sink& to) const {
    if (image_ == nullptr) {
        if (format == snapshot_format::json)
            to(fmt::format("{{\"refusal\": \"{}\"}}\n", refusal()));
        else
            to(fmt::format("ringfence: {}\n", refusal()));
        return;
    }
    switch (format) {
    case snapshot_format::text:
        to(fmt::format("ringfence: {}; {} tasks started\n", image_->counted.receipt(),
                       image_->counted.tasks_started));
        rf::detail::write_tree(*image_, true, to);
        return;
    case snapshot_format::json: detail::write_json(*image_, to); return;
    case snapshot_format::folded: detail::write_folded(*image_, to); return;
    }
}

void task_snapshot::write(snapshot_format format, int fd) const {
    write(format,
          [&](std::string_view part) { detail::write_report(fd, part, "a snapshot of tasks"); });
}

std::string task_snapshot::render(snapshot_format format) const {
    std::string all;
    write(format, [&](std::string_view part) { all += part; });
    return all;
}

task<task_snapshot> snapshot(snapshot_options options) {
    loop& owner = loop::here();
    while (rf::detail::slot.walk != nullptr)
        co_await this_task::yield();
    const auto start = steady::now();
    auto since = start;
    std::chrono::nanoseconds pause{};
    image_builder copier(owner, owner.root());
    for (;;) {
        const bool more = copier.advance(options.step);
        const auto now = steady::now();
        pause = std::max<std::chrono::nanoseconds>(pause, now - since);
        if (!more) break;
        co_await this_task::yield();
        since = steady::now();
    }
    const auto took = steady::now() - start;
    co_return task_snapshot(copier.take(), took, pause);
}

task_snapshot snapshot_now() noexcept {
    if (detail::in_signal_handler())
        return task_snapshot("a snapshot cannot be taken in a signal handler, which may have "
                             "interrupted a change to the task tree: set a flag there and let a "
                             "task take it, or send the process SIGQUIT");
    if (loop::current() == nullptr)
        return task_snapshot("a snapshot is taken on the thread of its loop, and this thread runs "
                             "none: let a task of that loop take it, and wake it from here through "
                             "an rf::sync::shared_event or shared_channel");
    RF_TRY {
        const auto start = steady::now();
        loop& owner = loop::here();
        auto image = rf::detail::image_at_once(owner, owner.root());
        const auto took = steady::now() - start;
        return task_snapshot(std::move(image), took, took);
    }
    RF_CATCH(const std::bad_alloc&) {
        return task_snapshot("there is not enough memory for a snapshot");
    }
}

}  // namespace rf::leakcheck
