// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/shard_run.hpp>

#include <ringfence/runtime/detail/exception_text.hpp>

#include <fmt/format.h>

#include <csignal>
#include <exception>
#include <utility>

namespace rf::detail {
namespace {

constexpr nursery_options root_options() {
    nursery_options options;
    options.name = "root";
    return options;
}

// Guests' failures go back to where they came from.
constexpr nursery_options guest_options() {
    nursery_options options;
    options.name = "guests";
    options.on_failure = isolate;
    return options;
}

}  // namespace

shard_run::shard_run(shard_state& self, const program& start, const run_options& options,
                     std::unique_ptr<driver> kernel, run_report& report, std::source_location where)
    : self_(self), start_(start), options_(options), report_(report), where_(where),
      owner_(std::move(kernel), options.limits), root_(root_options(), where),
      guests_(guest_options(), where),
      hold_up_(owner_, root_, to_nanoseconds(options.hold_up_after)) {
    self.owner = &owner_;
    self.root = &root_;
    self.guests = &guests_;
    owner_.set_shard(self);
    owner_.record_flight(options.flight_events);
}

// The loop is there, but nobody knows of it yet: what throws here keeps all shards from starting.
std::string shard_run::watch(const observer_factory& make) noexcept {
    if (!make) return {};
    RF_TRY {
        observer_ = make(shard_access::make(self_));
        if (observer_ == nullptr) return {};
        observer_->begins(owner_);
        owner_.observer = observer_.get();
    }
    RF_CATCH(...) {
#if RF_EXCEPTIONS
        observer_ = nullptr;
        return fmt::format("what should watch it cannot be made ({}): correct what "
                           "sharded_options::observer_of makes, or leave it out",
                           exception_text(std::current_exception()));
#endif
    }
    return {};
}

void shard_run::stop_watching() noexcept {
    if (owner_.observer != nullptr) std::exchange(owner_.observer, nullptr)->ends(owner_);
}

void shard_run::begin(bool listens) {
    root_.open(&owner_.root(), nullptr);
    guests_.open(&owner_.root(), nullptr);
    owner_.root_nursery = &root_;
    owner_.on_turn = &shard_run::on_turn;
    self_.run = this;
    owner_.expect_post();  // of the end of all
    if (listens) signals_.emplace(owner_, signals_of(options_));
    root_.spawn(run_main, &start_, &report_, where_);
    root_.close_body(nullptr);
}

bool shard_run::ended() const noexcept {
    const accounting now = owner_.account();
    return self_.closed && now.tasks_live == 0 && now.operations == 0 &&
           owner_.posts_expected() == 0;
}

void shard_run::on_turn(rf::loop& owner) noexcept { owner.shard()->run->look_around(); }

void shard_run::look_around() noexcept {
    if (signals_ && signals_->pending()) take_signals();
    if (!root_.failures().empty() && !std::exchange(self_.failure_told, true)) [[unlikely]]
        self_.set->fail(self_, root_.failures().front().error);
    if (root_.idle() && !self_.closed) [[unlikely]]
        self_.set->close(self_);
}

void shard_run::take_signals() noexcept {
    if (options_.dump_on_quit && !options_.stop_on.contains(SIGQUIT) &&
        signals_->take(SIGQUIT) != 0)
        self_.set->dump();
    for (const int signal : options_.stop_on)
        for (std::uint32_t count = signals_->take(signal); count != 0; --count)
            self_.set->stop(signal);
}

void shard_run::finish() {
    stop_watching();
    signals_.reset();
    owner_.on_turn = nullptr;
    owner_.root_nursery = nullptr;
    report_.error = root_.take_failure();
    root_.finish();
    guests_.finish();
    close_books(owner_, options_, report_);
}

}  // namespace rf::detail
