// SPDX-License-Identifier: MIT
// For LD_PRELOAD: counts a program's allocations and, when it ends, writes how many there were to
// the file that COUNT_ALLOCATIONS_TO names. The allocator stays the program's own.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

namespace {

std::atomic<std::uint64_t> count{0};

/// A function of the library after this one, looked up when it is first called.
template <class Signature>
class next_one;

template <class Result, class... Arguments>
class next_one<Result(Arguments...)> {
public:
    explicit constexpr next_one(const char* name) noexcept : name_(name) {}
    Result operator()(Arguments... arguments) noexcept {
        auto* found = found_.load(std::memory_order_relaxed);
        if (found == nullptr) {
            found = reinterpret_cast<Result (*)(Arguments...)>(::dlsym(RTLD_NEXT, name_));
            if (found == nullptr) std::abort();
            found_.store(found, std::memory_order_relaxed);
        }
        return found(arguments...);
    }

private:
    const char* name_;
    std::atomic<Result (*)(Arguments...)> found_{nullptr};
};

constinit next_one<void*(std::size_t)> next_malloc("malloc");
constinit next_one<void*(std::size_t, std::size_t)> next_calloc("calloc");
constinit next_one<void*(void*, std::size_t)> next_realloc("realloc");
constinit next_one<void*(std::size_t, std::size_t)> next_aligned_alloc("aligned_alloc");
constinit next_one<int(void**, std::size_t, std::size_t)> next_posix_memalign("posix_memalign");

void counted() noexcept { count.fetch_add(1, std::memory_order_relaxed); }

__attribute__((destructor)) void write_count() {
    const char* const path = std::getenv("COUNT_ALLOCATIONS_TO");
    if (path == nullptr) return;
    const auto made = static_cast<unsigned long long>(count.load(std::memory_order_relaxed));
    if (std::FILE* file = std::fopen(path, "w"); file != nullptr) {
        std::fprintf(file, "allocations=%llu\n", made);
        std::fclose(file);
    }
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) noexcept {
    counted();
    return next_malloc(size);
}

void* calloc(std::size_t number, std::size_t size) noexcept {
    counted();
    return next_calloc(number, size);
}

void* realloc(void* block, std::size_t size) noexcept {
    counted();
    return next_realloc(block, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
    counted();
    return next_aligned_alloc(alignment, size);
}

int posix_memalign(void** block, std::size_t alignment, std::size_t size) noexcept {
    counted();
    return next_posix_memalign(block, alignment, size);
}
}
