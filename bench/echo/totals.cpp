// SPDX-License-Identifier: MIT
#include "totals.hpp"

#include <cstdio>
#include <cstdlib>
#include <new>

namespace {
thread_local constinit std::uint64_t count = 0;
}  // namespace

void* operator new(std::size_t size) {
    ++count;
    if (void* block = std::malloc(size)) return block;
    std::abort();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

std::uint64_t echo::allocations() noexcept { return count; }

void echo::print_totals(std::uint64_t enters) noexcept {
    std::printf("enters=%llu allocations=%llu\n", static_cast<unsigned long long>(enters),
                static_cast<unsigned long long>(count));
}
