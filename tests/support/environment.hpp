// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace rf::test {

/// An environment variable has another value for as long as it lives. Not beside threads that read
/// the environment.
class environment_variable {
public:
    environment_variable(const char* name, const std::string& value);
    environment_variable(const environment_variable&) = delete;
    environment_variable& operator=(const environment_variable&) = delete;
    ~environment_variable();

private:
    const char* name_;
    bool was_set_ = false;
    std::string before_;
};

/// Masks under which the same behaviour is asked for: this kernel, and older ones.
inline constexpr const char* kernels[] = {"", "6.1", "5.15"};

/// RF_DISABLE for as long as it lives, on top of what the environment disables already.
class disabled_features : environment_variable {
public:
    explicit disabled_features(const std::string& mask);
};

}  // namespace rf::test
