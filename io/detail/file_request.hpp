// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/file_gate.hpp>
#include <ringfence/io/detail/request.hpp>
#include <ringfence/io/error_table.hpp>

#include <cerrno>
#include <coroutine>
#include <cstdint>
#include <string>

namespace rf::io::detail {

/// A request on a file or a path: goes through the loop's file_gate. `Derived` gives what request
/// asks for, and optionally `void started()` and `void ended()`, called around the time that the
/// kernel holds the request.
template <class Derived, class T>
class file_request : public request<Derived, T>, file_gate::turn {
    using base = request<Derived, T>;

public:
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (!this->enter()) return;
        self().started();
        file_gate::here().enter(*this);
    }

    [[nodiscard]] cancel_outcome cancel() noexcept override {
        if (!this->outstanding()) {  // still in line
            turn::unlink();
            self().ended();
            return cancel_outcome::removed;
        }
        return base::cancel();
    }

    void started() noexcept {}
    void ended() noexcept {}

protected:
    file_request() noexcept {
        turn::start = [](turn& mine) noexcept {
            auto& waiting = static_cast<file_request&>(mine);
            waiting.self().prepare(waiting.submit());
        };
    }
    file_request(file_request&&) noexcept = default;
    ~file_request() = default;

    void on_retired() noexcept override {
        base::on_retired();
        if (this->outstanding()) return;  // submitted again
        self().ended();
        file_gate::here().leave();
    }

private:
    Derived& self() noexcept { return static_cast<Derived&>(*this); }
};

}  // namespace rf::io::detail
