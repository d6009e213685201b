// SPDX-License-Identifier: MIT
#include <ringfence/runtime/labels.hpp>

namespace rf {
namespace detail {

constinit const task_local<label_binding> labels_in_force;

void append_labels(std::string& text, const local_binding* locals) {
    const char* before = " {";
    for_each_label(locals, [&](const label_binding& label) {
        text += before;
        text += label.key;
        text += '=';
        text += label.value;
        before = ", ";
    });
    if (before[0] == ',') text += '}';
}

}  // namespace detail

std::string_view this_task::label(std::string_view key) noexcept {
    std::string_view found;
    if (detail::slot.current == nullptr) return found;
    detail::for_each_label(detail::slot.current->locals, [&](const detail::label_binding& label) {
        if (label.key == key) found = label.value;
    });
    return found;
}

}  // namespace rf
