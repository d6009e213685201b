// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/error.hpp>

#include <string>

namespace rf::sync {

/// A send to a channel that nobody will receive from: it is closed, or its last receiver is gone.
/// As an io_error it has the code EPIPE; about() names the channel.
class channel_closed : public io_error {
public:
    explicit channel_closed(std::string which);
};

}  // namespace rf::sync
