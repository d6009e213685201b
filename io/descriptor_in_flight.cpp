// SPDX-License-Identifier: MIT
#include <ringfence/io/descriptor_in_flight.hpp>

#include <ringfence/runtime/system_calls.hpp>

namespace rf::io {

descriptor_in_flight& descriptor_in_flight::operator=(descriptor_in_flight&& other) noexcept {
    descriptor_in_flight old(std::move(*this));
    fd_ = std::exchange(other.fd_, -1);
    return *this;
}

// Not by way of a ring: the thread may have none.
descriptor_in_flight::~descriptor_in_flight() {
    if (fd_ >= 0) system_calls::here().close(fd_);
}

}  // namespace rf::io
