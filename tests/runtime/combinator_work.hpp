// SPDX-License-Identifier: MIT
#pragma once

#include "object_tracker.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>

#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>

/// Pieces of work for the tests of what runs several of them.
namespace test {

/// Lets the other tasks have `turns` turns.
inline rf::task<> yields(int turns) {
    for (; turns > 0; --turns)
        co_await rf::this_task::yield();
}

template <class T>
rf::task<T> later(T value, std::chrono::milliseconds when) {
    co_await rf::sleep_for(when);
    co_return value;
}

#if RF_EXCEPTIONS
inline rf::task<int> fail_later(const char* what, std::chrono::milliseconds when) {
    co_await rf::sleep_for(when);
    throw std::runtime_error(what);
}
#endif

inline rf::task<int> never() {
    co_await rf::sleep_forever();
    co_return 0;
}

/// Succeeds in spite of being cancelled, as an operation does that was done already.
inline rf::task<int> stubborn(int value, std::chrono::milliseconds when) {
    co_return co_await rf::shield(std::chrono::seconds(1), later(value, when));
}

#if RF_EXCEPTIONS
inline rf::task<int> stubborn_failure(const char* what, std::chrono::milliseconds when) {
    co_return co_await rf::shield(std::chrono::seconds(1), fail_later(what, when));
}
#endif

/// Cancels `scope`, after a while, and finishes in the same breath: too late to be unwound.
inline rf::task<int> cancel_and_finish(rf::cancel_scope& scope, int value) {
    co_await rf::sleep_for(std::chrono::milliseconds(5));
    scope.cancel();
    co_return value;
}

/// Holds an object meanwhile, and returns it.
inline rf::task<tracked> make_tracked(object_ledger& ledger, int turns) {
    tracked mine(ledger);
    co_await yields(turns);
    co_return mine;
}

#if RF_EXCEPTIONS
[[nodiscard]] inline std::string message_of(const std::exception_ptr& failure) {
    try {
        if (failure != nullptr) std::rethrow_exception(failure);
    } catch (const std::exception& error) {
        return error.what();
    }
    return "none";
}
#endif

}  // namespace test
