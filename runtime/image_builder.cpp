// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/image_builder.hpp>

#include <ringfence/runtime/detail/label_binding.hpp>
#include <ringfence/runtime/detail/nursery_core.hpp>
#include <ringfence/runtime/detail/user_line.hpp>
#include <ringfence/runtime/loop.hpp>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>
#include <vector>

namespace rf::detail {
namespace {

constexpr std::size_t frames_max = 128;  // copied, of one task

}  // namespace

void tell_walk_of_move(const task_record& task) noexcept { slot.walk->task_moves(task); }
void tell_walk_of_end(const task_record& task) noexcept { slot.walk->task_ends(task); }

const char* to_string(scope_kind kind) noexcept {
    switch (kind) {
    case scope_kind::root: return "root";
    case scope_kind::nursery: return "nursery";
    case scope_kind::services: return "services";
    case scope_kind::scope: return "cancel scope";
    case scope_kind::timeout: return "timeout";
    case scope_kind::shield: return "shield";
    case scope_kind::race: return "race";
    }
    return "scope";
}

instant loop_image::deadline_of(const task_image& task) const noexcept {
    instant earliest = instant_never;
    for (std::uint32_t at = task.scope; at != no_place; at = scopes[at].parent) {
        earliest = std::min(earliest, scopes[at].deadline);
        if (scopes[at].kind == scope_kind::shield) break;
    }
    return earliest;
}

void image_builder::free_memory::operator()(void* block) const noexcept { std::free(block); }

image_builder::image_builder(const loop& of, const scope_node& top)
    : loop_(of), top_(top), image_(std::make_unique<loop_image>()), last_id_(of.last_task_id()) {
    RF_ASSERT(slot.walk == nullptr, "a copy of the task tree is being made already");
    image_->counted = of.account();
    image_->taken = of.cached_now();
    const std::size_t size = std::bit_ceil(2 * image_->counted.tasks_live + 16);
    // Zeroed by the kernel, page by page as it is used: at once it would take too long.
    seen_.reset(static_cast<std::uint64_t*>(std::calloc(size, sizeof(std::uint64_t))));
    if (seen_ == nullptr) RF_THROW(std::bad_alloc());
    seen_mask_ = size - 1;
    image_->top = place_of(top);
    enter(&top);
    slot.walk = this;
}

image_builder::~image_builder() {
    if (slot.walk == this) slot.walk = nullptr;
}

std::unique_ptr<loop_image> image_builder::take() noexcept {
    slot.walk = nullptr;
    at_ = nullptr;
    return std::move(image_);
}

std::unique_ptr<loop_image> image_at_once(const loop& of, const scope_node& top) {
    constexpr auto endless = std::chrono::nanoseconds::max();
    // Both write into the scopes where they stand in the image.
    image_builder* const outer = slot.walk;
    if (outer != nullptr) (void)outer->advance(endless);
    slot.walk = nullptr;
    image_builder copier(of, top);
    (void)copier.advance(endless);
    std::unique_ptr<loop_image> made = copier.take();
    slot.walk = outer;
    return made;
}

bool image_builder::advance(std::chrono::nanoseconds at_most) {
    using clock = std::chrono::steady_clock;  // work takes real time, also where time is virtual
    constexpr auto endless = std::chrono::nanoseconds::max();
    const auto start = clock::now();
    while (at_ != nullptr) {
        for (int i = 0; i < 8 && at_ != nullptr; ++i)
            step();
        if (at_most != endless && clock::now() - start >= at_most) break;
    }
    return at_ != nullptr;
}

void image_builder::enter(const scope_node* scope) {
    at_ = scope;
    if (scope == nullptr) return;
    (void)place_of(*scope);
    next_ = scope->tasks.first_hook();
}

void image_builder::step() {
    if (at_->tasks.is_head(next_))
        return enter(const_cast<scope_node*>(at_)->next_below(&top_, true));
    const auto& task = static_cast<const task_record&>(*next_);
    next_ = next_->next;
    if (task.id <= last_id_ && is_new(task.id)) copy(task);
}

// A task that has ended or moved is not at its place any more, so the walk goes on behind it.

void image_builder::task_ends(const task_record& task) noexcept {
    if (at_ != nullptr && next_ == &task) next_ = next_->next;
}

void image_builder::task_moves(const task_record& task) noexcept {
    task_ends(task);
    if (task.scope == nullptr || task.id > last_id_ || !is_new(task.id)) return;
    RF_TRY { copy(task); }
    RF_CATCH(const std::bad_alloc&) { ++image_->missed; }
}

void image_builder::scope_leaves(const scope_node& scope) noexcept {
    // It has neither tasks nor scopes inside, or it could not leave.
    if (at_ != &scope) return;
    RF_TRY { enter(const_cast<scope_node&>(scope).next_below(&top_, false)); }
    RF_CATCH(const std::bad_alloc&) { at_ = nullptr; }
}

bool image_builder::is_new(std::uint64_t id) noexcept {
    // At most half full: no more tasks than lived at the beginning come here.
    std::size_t at = static_cast<std::size_t>((id * 0x9e37'79b9'7f4a'7c15U) >> 20) & seen_mask_;
    for (; seen_[at] != 0; at = (at + 1) & seen_mask_)
        if (seen_[at] == id) return false;
    seen_[at] = id;
    return true;
}

// A scope holds its place in the image; it is right if the image says the same of the scope. One
// that has come to lie where another lay has no place yet, and one with a place from an earlier
// image finds another scope there, or by chance itself.
std::uint32_t image_builder::place_of(const scope_node& scope) {
    block_list<scope_image>& all = image_->scopes;
    const auto known = [&](const scope_node& one) {
        const std::uint32_t place = one.place_in_image_;
        return place < all.size() && all[place].address == &one;
    };
    if (known(scope)) return scope.place_in_image_;
    std::vector<const scope_node*> chain;
    for (const scope_node* at = &scope; at != nullptr && !known(*at); at = at->parent())
        chain.push_back(at);
    for (; !chain.empty(); chain.pop_back()) {
        const scope_node& one = *chain.back();
        one.place_in_image_ = static_cast<std::uint32_t>(all.size());
        scope_image& made = all.push();
        made.address = &one;
        if (one.parent() != nullptr) made.parent = one.parent()->place_in_image_;
        if (one.host() != nullptr) made.host = one.host()->id;
        made.kind = one.kind();
        made.cause = one.cause();
        made.cancelled = one.cancelled();
        made.draining = one.draining();
        made.deadline = one.own_deadline();
        made.opened = one.opened();
        made.cancelled_at = one.cancelled_at();
        made.reason = image_->texts.keep(one.reason());
        if (one.nursery == nullptr) continue;
        const nursery_statistics now = one.nursery->statistics();
        made.is_nursery = true;
        made.name = image_->texts.keep(one.nursery->name());
        made.alive = now.live + now.services_live;
        made.waiting_to_spawn = now.waiting_to_spawn;
    }
    return scope.place_in_image_;
}

void image_builder::copy(const task_record& task) {
    const std::uint32_t scope = place_of(*task.scope);
    const std::uint32_t home = place_of(home_of(task).scope());
    task_image& made = image_->tasks.push();
    made.id = task.id;
    made.scope = scope;
    made.home = home;
    made.state = task.state;
    made.started = task.started;
    made.service = task.service;
    made.cancelled = task.scope->cancelled();
    made.guard = task.guard;
    made.spawned = task.spawned();
    made.name = image_->texts.keep(task.name());
    copy_labels(task, made);
    copy_frames(task, made);
    if (task.state != task_state::waiting) return;
    words_.what.clear();
    words_.owner.clear();
    words_.kind = "wait";
    words_.object = nullptr;
    words_.owner_task = 0;
    words_.cancellable = true;
    task.wait->describe(words_);
    made.age = std::max<instant>(loop_.cached_now() - task.wait->since(), 0);
    made.wait_kind = words_.kind;
    made.object = words_.object;
    made.what = image_->texts.keep(words_.what);
    made.owner = image_->texts.keep(words_.owner);
    made.owner_task = words_.owner_task;
    made.cancellable = words_.cancellable;
}

void image_builder::copy_labels(const task_record& task, task_image& into) {
    into.first_label = static_cast<std::uint32_t>(image_->labels.size());
    for_each_label(task.locals, [&](const label_binding& label) {
        image_->labels.push() = {image_->texts.keep(label.key), image_->texts.keep(label.value)};
        ++into.labels;
    });
}

void image_builder::copy_frames(const task_record& task, task_image& into) {
    block_list<frame_image>& all = image_->frames;
    into.first_frame = static_cast<std::uint32_t>(all.size());
    // A chain can be as deep as memory.
    for (const frame* f = task.leaf; f != nullptr; f = f->parent()) {
        if (into.frames == frames_max) {
            into.frames_cut = true;
            break;
        }
        frame_image& made = all.push();
        made.at = f->at;
        made.created = f->created();
        ++into.frames;
    }
}

}  // namespace rf::detail
