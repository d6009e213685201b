// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace rf {

class loop;
namespace detail {
class scope_node;
}

/// Who waits for what, where, how long, in which nursery: the live tasks of a loop as indented
/// text.
///
/// Reads only: no task runs. Each task shows its name or id, the line that spawned it, what it
/// waits for and since when, and the chain of co_await lines from the innermost out. Threads: the
/// loop's. Cost: linear in tasks and frames; allocates.
[[nodiscard]] std::string task_tree(const loop& owner);

/// The same, for one scope and what is inside it.
[[nodiscard]] std::string task_tree(const detail::scope_node& scope);

}  // namespace rf
