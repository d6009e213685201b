// SPDX-License-Identifier: MIT
#include <ringfence/sync/supervisor.hpp>

#include <ringfence/runtime/checkpoint.hpp>
#include <ringfence/runtime/detail/exception_text.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace rf::sync {
namespace {

std::string text_of(const std::exception_ptr& error) {
    return error == nullptr ? "it returned" : rf::detail::exception_text(error);
}

}  // namespace

restart_limit_reached::restart_limit_reached(std::string child, std::uint64_t restarts,
                                             const std::string& what, std::exception_ptr cause)
    : std::runtime_error(what), child_(std::make_shared<const std::string>(std::move(child))),
      restarts_(restarts), cause_(std::move(cause)) {}

struct supervisor::child {
    std::string name;
    std::function<task<>()> begin;
    child_options options;

    std::optional<cancel_scope> scope;  // of the current start; anew each time
    std::exception_ptr error;           // of the last end
    event gone{true};                   // set while it does not run
    std::uint64_t restarts = 0;
    std::uint64_t failures = 0;

    [[nodiscard]] bool running() const noexcept { return !gone.is_set(); }
};

/// Hears of cancel and drain for the supervisor, whose children hear nothing of the former: they
/// are behind a shield, to be stopped one by one.
class supervisor::stop_request {
public:
    stop_request(supervisor& owner, rf::detail::scope_node& outer, rf::detail::scope_node& shield)
        : owner_(owner), shield_(shield) {
        cancel_.request = drain_.request = this;
        cancel_.on_event = [](rf::detail::scope_hook& hook) noexcept {
            stop_request& self = *static_cast<request_hook&>(hook).request;
            self.shield_.set_deadline(rf::detail::after(self.owner_.options_.stop_limit.count()));
            self.stop();
        };
        drain_.on_event = [](rf::detail::scope_hook& hook) noexcept {
            static_cast<request_hook&>(hook).request->stop();
        };
        ++loop::here().drain_listeners;
        outer.on_cancel.push_back(cancel_);
        if (outer.draining())
            stop();
        else
            shield.on_drain.push_back(drain_);
    }
    stop_request(const stop_request&) = delete;
    stop_request& operator=(const stop_request&) = delete;
    ~stop_request() {
        cancel_.unlink();
        drain_.unlink();
        --loop::here().drain_listeners;
    }

private:
    struct request_hook : rf::detail::scope_hook {
        stop_request* request = nullptr;
    };
    void stop() noexcept {
        owner_.stopping_ = true;
        owner_.wake_.set();
    }
    supervisor& owner_;
    rf::detail::scope_node& shield_;
    request_hook cancel_;
    request_hook drain_;
};

supervisor::supervisor(supervisor_options options, std::source_location made)
    : identity_{"supervisor", made}, options_(options) {
    if (options.window.count() <= 0)
        RF_THROW(std::invalid_argument(
            fmt::format("{}: a window of {} ns; restarts are counted within some time above zero",
                        identity_.text(), options.window.count())));
    if (options.backoff.count() < 0 || options.backoff_max.count() < 0 ||
        options.stop_limit.count() < 0)
        RF_THROW(std::invalid_argument(
            identity_.text() + ": a back-off or stop limit below zero; zero means at once"));
}

supervisor::~supervisor() {
    if (running_)
        detail::misused(identity_, "it was destroyed while it runs; it has to outlive run()");
}

void supervisor::on_exit(std::function<void(const child_exit&)> handler) {
    handler_ = std::move(handler);
}

void supervisor::add(std::string name, std::function<task<>()> start, child_options options) {
    const auto refuse = [&](const char* why) {
        RF_THROW(
            std::invalid_argument(fmt::format("{}: child \"{}\" {}", identity_.text(), name, why)));
    };
    if (running_) refuse("was added while it runs; add all children before run()");
    if (name.empty()) refuse("has no name; reports name children, so each needs one");
    if (!start) refuse("has an empty function to start it with");
    if (options.drain_limit.count() < 0) refuse("has a drain limit below zero");
    for (const auto& other : children_)
        if (other->name == name) refuse("has the name of another; reports could not tell them");
    auto made = std::make_unique<child>();
    made->name = std::move(name);
    made->begin = std::move(start);
    made->options = options;
    children_.push_back(std::move(made));
}

task<> supervisor::run(std::source_location where) {
    co_await this_task::checkpoint();
    RF_ASSERT(!running_, "a supervisor was run twice at a time");
    struct running_mark {
        supervisor& owner;
        explicit running_mark(supervisor& marked) noexcept : owner(marked) {
            owner.running_ = true;
            owner.stopping_ = false;
            owner.restarts_.clear();
            owner.ended_.clear();
            owner.wake_.reset();
        }
        running_mark(const running_mark&) = delete;
        running_mark& operator=(const running_mark&) = delete;
        ~running_mark() { owner.running_ = false; }
    };
    const running_mark mark(*this);
    rf::detail::scope_node shield(rf::detail::scope_kind::shield, where);
    rf::detail::outcome<void> end;
    {
        const stop_request request(*this, *rf::detail::slot.current->scope, shield);
        const rf::detail::scope_entry inside(shield);
        nursery_options options;
        options.name = options_.name;
        options.spawn_while_draining = true;  // it asks stopping_ before it starts anything
        auto body = [this](nursery& home) { return supervise(home); };
        end = co_await rf::detail::body_awaiter<void>(with_nursery(options, std::move(body), where),
                                                      &shield);
    }
    if (end.failed()) end.take();
    co_await this_task::checkpoint();
    RF_ASSERT(!end.cancelled(), "a supervisor was unwound in a scope that is not cancelled");
}

task<> supervisor::supervise(nursery& home) {
    for (const auto& one : children_)
        if (!stopping_) start(home, *one, {});
    while (!stopping_ && running() + ended_.size() != 0) {
        if (ended_.empty()) {
            co_await wake_.wait();
            continue;
        }
        child& next = *ended_.front();
        ended_.erase(ended_.begin());
        co_await deal_with(home, next);
    }
    co_await stop_from(0);
}

void supervisor::start(nursery& home, child& one, std::chrono::nanoseconds delay) {
    std::erase(ended_, &one);
    one.gone.reset();
    one.error = nullptr;
    one.scope.emplace();
    home.spawn(&supervisor::run_child, this, std::ref(one), delay);
}

task<> supervisor::run_child(child& one, std::chrono::nanoseconds delay) {
    struct end_of_child {
        supervisor& owner;
        child& one;
        bool by_itself = false;
        end_of_child(supervisor& of, child& which) noexcept : owner(of), one(which) {}
        end_of_child(const end_of_child&) = delete;
        end_of_child& operator=(const end_of_child&) = delete;
        ~end_of_child() {
            one.gone.set();
            if (by_itself) owner.ended_.push_back(&one);
            owner.wake_.set();
        }
    };
    end_of_child end(*this, one);
    this_task::set_name(one.name.c_str());
    auto work = [&one, delay]() -> task<> {
        if (delay.count() > 0) co_await sleep_for(delay);
        co_await one.begin();
    };
    RF_TRY { end.by_itself = co_await one.scope->run(work()); }
    RF_CATCH(...) {
#if RF_EXCEPTIONS
        one.error = std::current_exception();
        ++one.failures;
        ++failed_;
        end.by_itself = true;
#endif
    }
}

task<> supervisor::deal_with(nursery& home, child& ended) {
    const bool again = ended.options.restart == permanent ||
                       (ended.options.restart == transient && ended.error != nullptr);
    if (!again) {
        tell(ended, false, {});
        co_return;
    }
    const instant now = loop::here().now();
    restarts_.push_back(now);
    while (restarts_.front() <= now - options_.window.count())
        restarts_.pop_front();
    if (restarts_.size() > options_.restarts_max) {
        tell(ended, false, {});
        co_await stop_from(0);
        give_up(ended);
    }
    ++ended.restarts;
    ++restarted_;
    const std::chrono::nanoseconds delay = next_delay();
    tell(ended, true, delay);

    const std::size_t at = place_of(ended);
    if (options_.strategy == one_for_one) {
        start(home, ended, delay);
        co_return;
    }
    const std::size_t first = options_.strategy == one_for_all ? 0 : at;
    co_await stop_from(first);
    for (std::size_t i = first; i < children_.size() && !stopping_; ++i)
        if (i == at || children_[i]->options.restart != temporary)
            start(home, *children_[i], delay);
}

task<> supervisor::stop_from(std::size_t first) {
    for (std::size_t i = children_.size(); i-- > first;)
        co_await stop(*children_[i]);
}

task<> supervisor::stop(child& one) {
    if (one.running()) {
        // It has heard of the drain when its supervisor did.
        if (this_task::draining() && one.options.drain_limit.count() > 0)
            (void)co_await move_on_after(one.options.drain_limit, one.gone.wait());
        one.scope->cancel("stopped by its supervisor");
        co_await one.gone.wait();
    }
    // Ended by itself before that, and not dealt with: now it need not be, but to be told.
    if (std::erase(ended_, &one) != 0 && one.error != nullptr) tell(one, false, {});
}

void supervisor::tell(const child& ended, bool restarted, std::chrono::nanoseconds delay) const {
    if (handler_) {
        handler_({ended.name, ended.error, restarted, ended.restarts, delay});
        return;
    }
    if (ended.error == nullptr) return;
    fmt::print(stderr, "ringfence: {}: child \"{}\" failed: {}{}\n", identity_.text(), ended.name,
               text_of(ended.error), restarted ? "; it is started anew" : "");
}

std::chrono::nanoseconds supervisor::next_delay() const noexcept {
    auto delay = std::min(options_.backoff, options_.backoff_max);
    for (std::size_t i = 1; i < restarts_.size() && delay < options_.backoff_max; ++i)
        delay = delay > options_.backoff_max / 2 ? options_.backoff_max : delay * 2;
    const double share = 1.0 - static_cast<double>(loop::here().next_random() % 1024) / 2048.0;
    return std::chrono::nanoseconds(
        static_cast<std::int64_t>(static_cast<double>(delay.count()) * share));
}

void supervisor::give_up(const child& ended) const {
    const std::size_t count = restarts_.size();
    const double window = std::chrono::duration<double>(options_.window).count();
    RF_THROW(restart_limit_reached(
        ended.name, count,
        fmt::format("{}: child \"{}\" was the last of {} that ended within {} s, and at most {} "
                    "are started anew: {}",
                    identity_.text(), ended.name, count, window, options_.restarts_max,
                    text_of(ended.error)),
        ended.error));
}

std::size_t supervisor::place_of(const child& one) const noexcept {
    std::size_t at = 0;
    while (children_[at].get() != &one)
        ++at;
    return at;
}

std::size_t supervisor::running() const noexcept {
    return static_cast<std::size_t>(std::count_if(children_.begin(), children_.end(),
                                                  [](const auto& one) { return one->running(); }));
}

supervisor_statistics supervisor::statistics() const {
    supervisor_statistics now{running(), restarted_, failed_, {}};
    for (const auto& one : children_)
        now.children.push_back({one->name, one->running(), one->restarts, one->failures});
    return now;
}

}  // namespace rf::sync
