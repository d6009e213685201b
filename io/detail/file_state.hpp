// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/descriptor.hpp>
#include <ringfence/io/detail/file_request.hpp>

#include <cstdint>
#include <string>
#include <utility>

namespace rf::io::detail {

/// What an open file is underneath its handle.
class file_state final : public descriptor {
public:
    file_state(int fd, std::string path) noexcept
        : descriptor(fd, "file"), path_(std::move(path)) {}

    std::uint32_t requests = 0;  // in the frames of tasks; the file must outlive them
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    void stop() noexcept override {
        RF_ASSERT(requests == 0,
                  "a file was closed or destroyed while a task reads, writes or syncs it");
    }

    std::string path_;
};

/// A request on an open file.
template <class Derived, class T>
class on_file : public file_request<Derived, T> {
public:
    void started() noexcept { ++state_->requests; }
    void ended() noexcept { --state_->requests; }
    [[nodiscard]] std::string about() const { return state_->path(); }

protected:
    explicit on_file(file_state& state) noexcept : state_(&state) {}
    on_file(on_file&&) noexcept = default;
    ~on_file() = default;
    [[nodiscard]] int fd() const noexcept { return state_->fd(); }

private:
    file_state* state_;
};

}  // namespace rf::io::detail
