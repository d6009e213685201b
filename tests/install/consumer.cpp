// SPDX-License-Identifier: MIT
#include <ringfence/ringfence.hpp>

#include <chrono>

namespace {

rf::task<int> answer() {
    co_await rf::sleep_for(std::chrono::milliseconds(1));
    co_return 42;
}

rf::task<> whole() {
    const int value = co_await answer();
    RF_ASSERT(value == 42, "a child returns its value");
}

}  // namespace

int main() { return rf::run(whole); }
