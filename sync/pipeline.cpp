// SPDX-License-Identifier: MIT
#include <ringfence/sync/pipeline.hpp>

#include <ringfence/runtime/with_nursery.hpp>

#include <fmt/format.h>

#include <stdexcept>

namespace rf::sync {

pipeline::~pipeline() {
    if (running_)
        detail::misused(identity_, "it was destroyed while it runs; it has to outlive run()");
}

void pipeline::begin() const {
    if (!stages_.empty())
        RF_THROW(std::invalid_argument(identity_.text() +
                                       ": a second source; a pipeline has one, put first"));
}

void pipeline::check(const stage_options& options) const {
    constexpr std::size_t most = 1'000'000;  // tasks; a negative number, converted, is above it
    if (options.workers == 0 || options.workers > most)
        RF_THROW(std::invalid_argument(
            fmt::format("{}: a stage with {} workers; it needs at least 1, and at most {}",
                        identity_.text(), static_cast<std::ptrdiff_t>(options.workers), most)));
    (void)detail::checked_capacity(options.capacity, "pipeline", identity_.made);
}

task<> pipeline::run(std::source_location where) {
    if (!complete_)
        RF_THROW(std::invalid_argument(identity_.text() +
                                       ": it has no sink, so its items would go nowhere"));
    RF_ASSERT(!running_, "a pipeline was run twice at a time");
    struct running_mark {
        pipeline& owner;
        explicit running_mark(pipeline& marked) noexcept : owner(marked) { owner.running_ = true; }
        running_mark(const running_mark&) = delete;
        running_mark& operator=(const running_mark&) = delete;
        ~running_mark() {
            owner.running_ = false;
            for (const auto& stage : owner.stages_)
                stage->finish();
        }
    };
    const running_mark mark(*this);
    for (const auto& stage : stages_)
        stage->prepare();
    nursery_options options;
    options.name = "pipeline";
    auto body = [this](nursery& home) -> task<> {
        // Consumers first: an item that is handed over finds somebody to take it.
        for (auto stage = stages_.rbegin(); stage != stages_.rend(); ++stage)
            (*stage)->start(home);
        co_return;
    };
    co_await with_nursery(options, std::ref(body), where);
}

std::vector<stage_statistics> pipeline::statistics() const {
    std::vector<stage_statistics> all;
    for (const auto& stage : stages_)
        all.push_back(stage->statistics());
    return all;
}

}  // namespace rf::sync
