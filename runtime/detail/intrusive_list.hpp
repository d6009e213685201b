// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace rf::detail {

/// For a list_hook of which nothing is asked or undone before it is linked: saves two stores.
struct not_linked_t {};

/// A place in a circular doubly linked list. Alone, it points at itself.
struct list_hook {
    list_hook* previous;
    list_hook* next;

    list_hook() noexcept : previous(this), next(this) {}
    explicit list_hook(not_linked_t) noexcept {}  // NOLINT(*-member-init)
    list_hook(const list_hook&) = delete;
    list_hook& operator=(const list_hook&) = delete;

    [[nodiscard]] bool linked() const noexcept { return next != this; }

    void unlink() noexcept {
        take_out();
        previous = next = this;
    }
    /// The same for one of which nothing is asked or undone before it is linked again.
    void take_out() noexcept {
        previous->next = next;
        next->previous = previous;
    }

    /// Puts `this` before `place`; before the head means at the end.
    void link_before(list_hook& place) noexcept {
        previous = place.previous;
        next = &place;
        place.previous->next = this;
        place.previous = this;
    }
};

/// An ordered set of objects that derive from `Hook`, a type derived from list_hook (the type
/// itself by default). Owns nothing. Every operation but for_each is O(1).
template <class T, class Hook = list_hook>
class intrusive_list {
public:
    intrusive_list() noexcept = default;

    [[nodiscard]] bool empty() const noexcept { return !head_.linked(); }
    void push_back(T& item) noexcept { static_cast<Hook&>(item).link_before(head_); }
    void push_front(T& item) noexcept { static_cast<Hook&>(item).link_before(*head_.next); }
    [[nodiscard]] T& front() noexcept { return owner(head_.next); }
    /// What the list begins with; the end mark if it is empty.
    [[nodiscard]] const list_hook* first_hook() const noexcept { return head_.next; }

    T& pop_front() noexcept {
        T& item = take_front();
        Hook& hook = item;
        hook.previous = hook.next = &hook;
        return item;
    }
    /// The same for an item of which nothing is asked or undone before it is linked again.
    T& take_front() noexcept {
        list_hook* first = head_.next;
        list_hook* second = first->next;
        head_.next = second;
        second->previous = &head_;
        return owner(first);
    }

    /// Whether `hook` is the end mark of this list and not an item.
    [[nodiscard]] bool is_head(const list_hook* hook) const noexcept { return hook == &head_; }

    /// Moves all of `other` to the end of this list.
    void splice_back(intrusive_list& other) noexcept {
        if (other.empty()) return;
        list_hook* first = other.head_.next;
        list_hook* last = other.head_.previous;
        other.head_.next = other.head_.previous = &other.head_;
        first->previous = head_.previous;
        head_.previous->next = first;
        last->next = &head_;
        head_.previous = last;
    }

    /// Calls `visit(T&)` in order. The visitor may unlink the item it is given, and no other.
    template <class Visit>
    void for_each(Visit&& visit) {
        for (list_hook* at = head_.next; at != &head_;) {
            list_hook* after = at->next;
            visit(owner(at));
            at = after;
        }
    }

    template <class Visit>
    void for_each(Visit&& visit) const {
        for (list_hook* at = head_.next; at != &head_; at = at->next)
            visit(static_cast<const T&>(owner(at)));
    }

private:
    static T& owner(list_hook* hook) noexcept { return static_cast<T&>(static_cast<Hook&>(*hook)); }

    list_hook head_;
};

}  // namespace rf::detail
