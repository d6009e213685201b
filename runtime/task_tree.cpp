// SPDX-License-Identifier: MIT
#include <ringfence/runtime/task_tree.hpp>

#include <ringfence/runtime/detail/image_builder.hpp>
#include <ringfence/runtime/detail/image_text.hpp>
#include <ringfence/runtime/loop.hpp>

#include <fmt/format.h>

#include <string_view>

namespace rf {
namespace {

std::string text_of(const loop& owner, const detail::scope_node& top) {
    std::string text;
    detail::write_tree(*detail::image_at_once(owner, top), false,
                       [&](std::string_view part) { text += part; });
    return text;
}

}  // namespace

std::string task_tree(const detail::scope_node& scope) { return text_of(loop::here(), scope); }

std::string task_tree(const loop& owner) {
    std::string text = fmt::format("ringfence: {}; {} tasks started\n", owner.account().receipt(),
                                   owner.account().tasks_started);
    return text + text_of(owner, owner.root());
}

}  // namespace rf
