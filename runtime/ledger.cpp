// SPDX-License-Identifier: MIT
#include <ringfence/runtime/ledger.hpp>

#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/detail/nursery_core.hpp>
#include <ringfence/runtime/loop.hpp>

#include <fmt/format.h>

#include <utility>

namespace rf {

void descriptor_entry::open(int descriptor, const char* what) noexcept {
    RF_ASSERT(fd < 0, "a descriptor was entered into the ledger twice");
    loop& owner = loop::here();
    fd = descriptor;
    kind = what;
#if RF_BOOKKEEPING
    opened = detail::current_line();
    since = owner.cached_now();
    if (const detail::task_record* task = detail::slot.current; task != nullptr) {
        task_id = task->id;
        guard = task->guard;
        if (const detail::frame* leaf = task->leaf; leaf != nullptr) {
            function = leaf->created().function_name();
            if (opened.line() == 0) opened = leaf->created();  // it has not awaited anything yet
        }
    }
    if (owner.watched()) [[unlikely]]
        owner.tell_of_opening(resource_kind::descriptor, number());
    owner.ledger().descriptors_.push_back(*this);
#endif
    ++owner.counters().descriptors;
}

void descriptor_entry::close() noexcept {
    if (fd < 0) return;
    fd = -1;
    unlink();
    loop& owner = loop::here();
    --owner.counters().descriptors;
    if (owner.watched()) [[unlikely]]
        owner.tell_of_closing(resource_kind::descriptor, number());
}

resource descriptor_entry::as_resource(const loop& of) const {
    resource made{.kind = resource_kind::descriptor,
                  .name = kind,
                  .number = fd,
                  .task_id = task_id,
                  .guard = guard,
                  .function = function,
                  .opened = opened,
                  .since = since};
    of.add_opening(made, number());
    return made;
}

descriptor_entry::~descriptor_entry() {
    RF_ASSERT(fd < 0, "an I/O object was destroyed with its descriptor still open");
}

std::string ledger::describe() const {
    std::string text;
    for_each([&](const descriptor_entry& entry) {
        text += fmt::format("descriptor {}: {} opened at {} by task {}\n", entry.fd, entry.kind,
                            detail::to_string(entry.opened), entry.task_id);
        const loop* const owner = loop::current();
        if (owner == nullptr) return;
        const resource one = entry.as_resource(*owner);
        detail::append_outlived(text, one, 4);
        if (one.stack != nullptr) detail::append_opening(text, *one.stack, "opened", 4);
    });
    return text;
}

void ledger::closed_twice(const descriptor_entry& entry, int descriptor) {
    if (faults_.size() == 64) return;
    faults_.push_back(
        fmt::format("descriptor {} ({} opened at {} by task {}) had been closed by somebody else "
                    "when its owner closed it; if its number had been given out again by then, "
                    "the wrong file would have been closed",
                    descriptor, entry.kind, detail::to_string(entry.opened), entry.task_id));
}

void ledger::refused(std::string sentence) {
    if (faults_.size() != 64) faults_.push_back(std::move(sentence));
}

void ledger::abandon() noexcept {
    while (!descriptors_.empty())
        descriptors_.pop_front().fd = -1;
}

}  // namespace rf
