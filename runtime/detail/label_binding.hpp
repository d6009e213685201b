// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/task_local.hpp>

#include <string>
#include <string_view>

namespace rf::detail {

/// One label in force; bound like a task_local, all with the same key.
struct label_binding {
    std::string key;
    std::string value;
};

/// Its address is what bindings of labels are told by.
extern const task_local<label_binding> labels_in_force;

/// Calls `visit(const label_binding&)` for each label among `locals`, the innermost first. Of two
/// with the same key the outer one is left out.
template <class Visit>
void for_each_label(const local_binding* locals, Visit&& visit) {
    for (const local_binding* at = locals; at != nullptr; at = at->outer) {
        if (at->key != &labels_in_force) continue;
        const auto& label = *static_cast<const label_binding*>(at->value);
        bool hidden = false;
        for (const local_binding* in = locals; in != at && !hidden; in = in->outer)
            hidden = in->key == &labels_in_force &&
                     static_cast<const label_binding*>(in->value)->key == label.key;
        if (!hidden) visit(label);
    }
}

/// Appends " {tenant=7, path=/x}"; nothing if there are none.
void append_labels(std::string& text, const local_binding* locals);

}  // namespace rf::detail
