// SPDX-License-Identifier: MIT
#include "tests/support/environment.hpp"

#include <cstdlib>

namespace rf::test {
namespace {

std::string value_of(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

}  // namespace

environment_variable::environment_variable(const char* name, const std::string& value)
    : name_(name), was_set_(std::getenv(name) != nullptr), before_(value_of(name)) {
    ::setenv(name, value.c_str(), 1);
}

environment_variable::~environment_variable() {
    if (was_set_)
        ::setenv(name_, before_.c_str(), 1);
    else
        ::unsetenv(name_);
}

disabled_features::disabled_features(const std::string& mask)
    : environment_variable("RF_DISABLE", value_of("RF_DISABLE") + "," + mask) {}

}  // namespace rf::test
