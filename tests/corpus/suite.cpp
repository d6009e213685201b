// SPDX-License-Identifier: MIT
#include "tests/corpus/kernel.hpp"

#include <initializer_list>

namespace rf::corpus {
namespace {

entries all_of(std::initializer_list<entries> parts) {
    entries all;
    for (const entries& part : parts)
        all.insert(all.end(), part.begin(), part.end());
    return all;
}

}  // namespace

entries suite() {
    return all_of(
        {double_locking(), lock_order(), channel_use(), channel_and_context(), channel_and_lock()});
}

entries natives() {
    return all_of({kernel_requests(), descriptors(), task_scopes(), primitives()});
}

}  // namespace rf::corpus
