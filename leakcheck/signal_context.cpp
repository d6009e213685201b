// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/signal_context.hpp>

#include <unwind.h>

namespace rf::leakcheck::detail {
namespace {

_Unwind_Reason_Code look_at(_Unwind_Context* context, void* found) {
    // Elsewhere the address is that of a return, one behind the call.
    int is_the_next_instruction = 0;
    (void)_Unwind_GetIPInfo(context, &is_the_next_instruction);
    if (is_the_next_instruction == 0) return _URC_NO_REASON;
    *static_cast<bool*>(found) = true;
    return _URC_END_OF_STACK;
}

}  // namespace

bool in_signal_handler() noexcept {
    bool found = false;
    _Unwind_Backtrace(look_at, &found);
    return found;
}

}  // namespace rf::leakcheck::detail
