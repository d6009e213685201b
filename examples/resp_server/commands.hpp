// SPDX-License-Identifier: MIT
#pragma once

#include "store.hpp"

#include <span>
#include <string>
#include <string_view>

namespace resp {

enum class after_reply { go_on, close };

/// Carries out one request and appends its reply, which may be an error, to `reply`.
after_reply answer(store& data, std::span<const std::string_view> words, std::string& reply);

/// Appends "-ERR <complaint>".
void append_error(std::string& reply, std::string_view complaint);

}  // namespace resp
