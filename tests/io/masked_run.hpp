// SPDX-License-Identifier: MIT
#pragma once

#include "tests/support/environment.hpp"

#include <doctest/doctest.h>

namespace socket_test {

using rf::test::disabled_features;

/// Runs the body as on this kernel, on 6.1 and on 5.15.
template <class Body>
void on_each_kernel(const Body& body) {
    for (const char* kernel : rf::test::kernels) {
        CAPTURE(kernel);
        const disabled_features mask(kernel);
        body();
    }
}

}  // namespace socket_test
