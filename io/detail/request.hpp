// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/error_table.hpp>
#include <ringfence/runtime/operation.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/uring_requests.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <cerrno>
#include <coroutine>
#include <cstdint>
#include <string>

namespace rf::io::detail {

/// How a request ends when it is cancelled, as asio names it.
enum class cancel_grade : std::uint8_t {
    total,     // as if it had never been made
    partial,   // part of it may have happened; the object says how much
    terminal,  // the object cannot be used any more
};

/// One request to the kernel that one task awaits: the base of every single-shot operation.
///
/// `Derived` gives: `void prepare(io_uring_sqe&)`, which fills in the request; `T take(int res)`,
/// which turns a result that is no error into the value; `const char* name() const`; `static
/// constexpr request_kind kind`, by which the error table explains what failed; and optionally
/// `bool again(int res)`, asked with each completion: true submits the request once more (the rest
/// of a transfer), unless it was cancelled, and `std::string about() const` for error texts.
///
/// Cancelled means no effect: a result that the kernel reports in spite of a cancel is delivered.
template <class Derived, class T>
class request : public waiter, public operation {
public:
    using value_type = T;

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    void await_suspend(std::coroutine_handle<>) noexcept {
        if (enter()) self().prepare(submit());
    }

    /// Without exceptions.
    result<T> await_result() {
        if (res_ < 0) [[unlikely]]
            return self().failure(-res_);
        if constexpr (std::is_void_v<T>) {
            self().take(res_);
            return {};
        } else {
            return self().take(res_);
        }
    }

    T await_resume() {
        if (res_ < 0) [[unlikely]]
            throw_failure(Derived::kind, self().name(), -res_, self().about());
        return self().take(res_);
    }

    [[nodiscard]] cancel_outcome cancel() noexcept override {
        request_cancel();
        return cancel_outcome::pending;
    }

    void describe(wait_description& out) const override {
        out.kind = "io";
        out.what = static_cast<const Derived&>(*this).name();
        if (std::string text = static_cast<const Derived&>(*this).about(); !text.empty())
            out.what.append(" ").append(text);
        out.owner = "the kernel";
    }
    void owners(wait_owners& out) const override { out.outside(); }

    // What Derived may replace.
    [[nodiscard]] bool again(std::int32_t) noexcept { return false; }
    [[nodiscard]] std::string about() const { return {}; }
    [[nodiscard]] error failure(int code) const noexcept {
        return to_error(Derived::kind, static_cast<const Derived&>(*this).name(), code);
    }

protected:
    request() noexcept = default;
    request(request&&) noexcept = default;
    ~request() = default;

    [[nodiscard]] std::int32_t result_code() const noexcept { return res_; }
    void set_result(std::int32_t res) noexcept { res_ = res; }

    void on_completion(std::int32_t res, std::uint32_t) noexcept override { res_ = res; }

    void on_retired() noexcept override {
        if (cancel_sent()) {
            // What would have to be submitted again has not been done: a send of all that was cut
            // short by the cancel is no success.
            if ((is_cancelled(res_) || self().again(res_)) && self().cancelled()) {
                unwind();
                return;
            }
        } else if (res_ == -EINTR || self().again(res_)) {
            // Interrupted by a signal before it began, or not all of it is done.
            self().prepare(submit());
            return;
        }
        resume();
    }

    /// The kernel ended the request by a cancel. False if the operation has something to deliver
    /// all the same.
    [[nodiscard]] bool cancelled() noexcept { return true; }

private:
    Derived& self() noexcept { return static_cast<Derived&>(*this); }

    std::int32_t res_ = 0;
};

}  // namespace rf::io::detail
