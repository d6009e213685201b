// SPDX-License-Identifier: MIT
#include <ringfence/runtime/select.hpp>

#include <ringfence/runtime/detail/select_wait.hpp>

#include <stdexcept>
#include <string>

namespace rf {

detail::select_wait& waiter::group() const noexcept {
    return *reinterpret_cast<detail::select_wait*>(reinterpret_cast<std::uintptr_t>(task_) &
                                                   ~std::uintptr_t{1});
}

void waiter::win_select() noexcept {
    detail::select_wait& decided = group();
    task_ = nullptr;
    decided.decided(*this);
}

std::uint64_t waiter::select_task_id() const noexcept { return group().task_id(); }

void waiter::begin_case(waiter& one, detail::select_wait& group) noexcept {
    one.task_ = reinterpret_cast<detail::task_record*>(reinterpret_cast<std::uintptr_t>(&group) |
                                                       std::uintptr_t{1});
    one.since_ = group.since();
}

void waiter::end_case(waiter& one) noexcept {
    if (!one.waiting()) return;
    const cancel_outcome end = one.cancel();
    RF_ASSERT(end == cancel_outcome::removed,
              "a case of a select could not be taken back at once; an awaiter that says "
              "`selectable` always answers cancel() with `removed`");
    one.task_ = nullptr;
}

namespace detail {

void describe_select(wait_description& out, std::span<const waiter* const> cases) {
    out.kind = "select";
    out.what = "select of " + std::to_string(cases.size()) + ": ";
    const char* between = "";
    for (const waiter* one : cases) {
        wait_description part;
        one->describe(part);
        out.what += between + part.what;
        if (!part.owner.empty())
            out.owner += (out.owner.empty() ? part.owner : " or " + part.owner);
        between = " | ";
    }
}

void refuse_empty_select(std::source_location where) {
    RF_THROW(std::invalid_argument(
        std::string("select_any at ") + where.file_name() + ":" + std::to_string(where.line()) +
        " was given no case and would wait for ever; add a case, or rf::otherwise"));
}

}  // namespace detail
}  // namespace rf
