// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/gather.hpp>

namespace rf::detail {

void gather::note_end(std::size_t index, std::uint64_t task_id, bool has_value,
                      const std::exception_ptr& error) {
    if (!has_value && error == nullptr) return;
    if (failures != nullptr && error != nullptr)
        failures->push_back({error, task_id, nullptr, where_});
    if (first_end_ == none) first_end_ = index;
    if (has_value && first_value_ == none) first_value_ = index;
    if (error != nullptr && first_failure_ == none) first_failure_ = index;
    if (has_value || rule_ == gather_rule::first_end)
        children.scope().cancel(cancel_cause::finished, "another one was first", where_);
}

}  // namespace rf::detail
