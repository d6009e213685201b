// SPDX-License-Identifier: MIT
#include "tests/support/allocations.hpp"

#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RF_TEST_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define RF_TEST_COUNTS_ALLOCATIONS 0
#else
#define RF_TEST_COUNTS_ALLOCATIONS 1
#endif
#else
#define RF_TEST_COUNTS_ALLOCATIONS 1
#endif

namespace {
thread_local constinit std::uint64_t calls = 0;
}

namespace rf::test {

std::uint64_t allocations() noexcept { return calls; }
bool allocations_counted() noexcept { return RF_TEST_COUNTS_ALLOCATIONS != 0; }

}  // namespace rf::test

#if RF_TEST_COUNTS_ALLOCATIONS

// The other forms of operator new call this one.
void* operator new(std::size_t size) {
    ++calls;
    if (void* block = std::malloc(size != 0 ? size : 1)) return block;
#if defined(__cpp_exceptions)
    throw std::bad_alloc();
#else
    std::abort();
#endif
}

void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

#endif
