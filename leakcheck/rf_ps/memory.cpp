// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/rf_ps/memory.hpp>

#include <algorithm>
#include <utility>

namespace rf::leakcheck::rf_ps {

void put_first(std::vector<mapping>& all, const std::string& file) {
    std::ranges::sort(all, {},
                      [&](const mapping& one) { return std::pair(one.file != file, one.begin); });
}

}  // namespace rf::leakcheck::rf_ps
