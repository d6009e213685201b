// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/exception_text.hpp>

#include <ringfence/runtime/assert.hpp>

namespace rf::detail {

std::string exception_text([[maybe_unused]] const std::exception_ptr& error) {
#if RF_EXCEPTIONS
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& thrown) {
        return thrown.what();
    } catch (...) {
        return "an exception that is not a std::exception";
    }
#else
    return "an error";
#endif
}

}  // namespace rf::detail
