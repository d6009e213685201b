// SPDX-License-Identifier: MIT
#include <ringfence/sync/detail/held.hpp>

#include <ringfence/runtime/wait_owners.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace rf::sync::detail {

void tell_owner(wait_owners& out, std::uint64_t note) {
    if ((note & handed_on) != 0)
        out.handed_on(taker(note));
    else
        out.holder(note);
}

std::string owner_text(std::uint64_t note, const char* did, std::source_location where) {
    if ((note & handed_on) != 0)
        return fmt::format("whoever has the guard that task {} has moved, which {} at {}:{}",
                           taker(note), did, where.file_name(), where.line());
    return fmt::format("task {}, which {} at {}:{}", note, did, where.file_name(), where.line());
}

void refuse_give_back(const char* what, std::source_location where) noexcept {
    fmt::print(stderr,
               "ringfence: {}:{}: {}; it was moved from, given back before, or never held\n",
               where.file_name(), where.line(), what);
    std::fflush(stderr);
    std::abort();
}

}  // namespace rf::sync::detail
