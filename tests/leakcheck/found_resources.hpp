// SPDX-License-Identifier: MIT
#pragma once

#include "tests/support/has.hpp"
#include <ringfence/leakcheck/resource_table.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

namespace rf::test {

inline std::vector<resource> of_kind(const leakcheck::resource_table& table, resource_kind kind) {
    std::vector<resource> found;
    std::ranges::copy_if(table.entries, std::back_inserter(found),
                         [&](const resource& one) { return one.kind == kind; });
    return found;
}

}  // namespace rf::test
