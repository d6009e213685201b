// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/owned.hpp>
#include <ringfence/runtime/nursery.hpp>
#include <ringfence/runtime/task.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/sync/channel.hpp>
#include <ringfence/sync/event.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace rf::sync {

struct stage_statistics {
    const char* name = "";
    std::size_t workers = 0;
    std::size_t busy = 0;     // workers that work on an item, or hold its result
    std::size_t waiting = 0;  // items in front of it
    std::uint64_t taken = 0;  // items so far
    std::uint64_t done = 0;   // of these, that have left
};

template <class T>
class pipeline_output;

namespace detail {

/// What a stage's function makes of a T: `U fn(T)` and `task<U> fn(T)` are both U.
template <class R>
struct unwrapped_task {
    using type = R;
};
template <class R>
struct unwrapped_task<task<R>> {
    using type = R;
};
template <class F, class T>
using stage_result = typename unwrapped_task<std::invoke_result_t<F&, T>>::type;

/// A stage as the pipeline sees it.
class pipeline_stage {
public:
    pipeline_stage(const char* name, std::size_t workers) noexcept
        : name_(name), workers_(workers) {}
    pipeline_stage(const pipeline_stage&) = delete;
    pipeline_stage& operator=(const pipeline_stage&) = delete;
    virtual ~pipeline_stage() = default;

    /// Makes its queue anew and forgets what a run before has left.
    virtual void prepare() = 0;
    virtual void start(nursery& home) = 0;
    /// All its workers are gone: destroys what is left in front of it.
    virtual void finish() noexcept { busy_ = 0; }
    [[nodiscard]] virtual std::size_t waiting() const noexcept = 0;
    [[nodiscard]] stage_statistics statistics() const noexcept {
        return {name_, workers_, busy_, waiting(), taken_, done_};
    }

protected:
    const char* const name_;
    const std::size_t workers_;
    std::size_t busy_ = 0;
    std::uint64_t taken_ = 0;
    std::uint64_t done_ = 0;
};

/// The items in front of a stage, numbered in the order in which they came.
template <class T>
class pipeline_queue {
public:
    struct numbered {
        std::uint64_t number;
        T item;
    };

    explicit pipeline_queue(std::size_t capacity) : items_(capacity) {}
    /// Numbers and enters its item in one step, so that the order of numbers is that of the queue.
    task<> send(T item) {
        numbered next{next_++, std::move(item)};
        co_await items_.send(std::move(next));
    }
    [[nodiscard]] auto receive() noexcept { return items_.receive(); }
    void close() noexcept { items_.close(); }
    [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }

private:
    channel<numbered> items_;
    std::uint64_t next_ = 0;
};

/// A stage that produces T: the next one tells it where to.
template <class T>
class pipeline_link : public pipeline_stage {
public:
    using pipeline_stage::pipeline_stage;
    pipeline_queue<T>* to = nullptr;  // set by the next stage in prepare()
};
template <>
class pipeline_link<void> : public pipeline_stage {
public:
    using pipeline_stage::pipeline_stage;
};

template <class T, class F>
class pipeline_source final : public pipeline_link<T> {
public:
    pipeline_source(F produce, const char* name)
        : pipeline_link<T>(name, 1), produce_(std::move(produce)) {}

    void prepare() override {}
    void start(nursery& home) override { home.spawn(&pipeline_source::work, this); }
    [[nodiscard]] std::size_t waiting() const noexcept override { return 0; }

private:
    task<> work() {
        this_task::set_name(this->name_);
        this->busy_ = 1;
        pipeline_output<T> out(*this->to);
        co_await std::invoke(produce_, out);
        this->busy_ = 0;
        this->to->close();
    }
    F produce_;
};

/// A stage that takes T and makes U of it; a sink if U is void.
template <class T, class U, class F>
class pipeline_middle final : public pipeline_link<U> {
public:
    pipeline_middle(pipeline_link<T>& before, F fn, std::size_t workers, bool ordered,
                    std::size_t capacity, const char* name)
        : pipeline_link<U>(name, workers), before_(before), fn_(std::move(fn)), ordered_(ordered),
          capacity_(capacity) {}

    void prepare() override {
        queue_.emplace(capacity_);
        before_.to = &*queue_;
        if (ordered_) turns_ = std::make_unique<auto_event[]>(this->workers_);
        turn_ = 0;
        left_ = this->workers_;
    }
    void start(nursery& home) override {
        for (std::size_t i = 0; i < this->workers_; ++i)
            home.spawn(&pipeline_middle::work, this);
    }
    void finish() noexcept override {
        this->busy_ = 0;
        queue_.reset();
    }
    [[nodiscard]] std::size_t waiting() const noexcept override {
        return queue_ ? queue_->size() : 0;
    }

private:
    task<> work() {
        this_task::set_name(this->name_);
        for (;;) {
            auto next = co_await queue_->receive();
            if (!next) break;
            ++this->busy_;
            ++this->taken_;
            if constexpr (std::is_void_v<U>) {
                // The end of the line: there is no order to keep but that of the calls.
                if constexpr (rf::detail::is_task<std::invoke_result_t<F&, T>>)
                    co_await std::invoke(fn_, std::move(next->item));
                else
                    std::invoke(fn_, std::move(next->item));
            } else if constexpr (rf::detail::is_task<std::invoke_result_t<F&, T>>) {
                U made = co_await std::invoke(fn_, std::move(next->item));
                co_await pass_on(next->number, std::move(made));
            } else {
                U made = std::invoke(fn_, std::move(next->item));
                co_await pass_on(next->number, std::move(made));
            }
            --this->busy_;
            ++this->done_;
        }
        if constexpr (!std::is_void_v<U>)
            if (--left_ == 0) this->to->close();
    }

    // Numbers are taken in their order, one a worker, so those that are out lie less than `workers`
    // apart, and each has a turn of its own to wait for. A turn that was set while nobody waited
    // lets a later number through once: hence the loop.
    template <class Made>
    task<> pass_on(std::uint64_t number, Made made) {
        if (ordered_)
            while (turn_ != number)
                co_await turns_[number % this->workers_].wait();
        co_await this->to->send(std::move(made));
        if (ordered_) turns_[++turn_ % this->workers_].set();
    }

    pipeline_link<T>& before_;
    F fn_;
    const bool ordered_;
    const std::size_t capacity_;
    std::optional<pipeline_queue<T>> queue_;
    rf::detail::owned<auto_event[]> turns_;  // number % workers
    std::uint64_t turn_ = 0;                 // the number whose result leaves next
    std::size_t left_ = 0;                   // workers that have not ended
};

}  // namespace detail
}  // namespace rf::sync
