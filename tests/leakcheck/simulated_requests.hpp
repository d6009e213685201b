// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/simulated_driver.hpp>
#include <ringfence/runtime/uring_abi.hpp>

#include <array>
#include <map>
#include <string>
#include <vector>

namespace rf::test {

/// A simulated kernel and its driver without a loop: requests go in, completions come out.
class bare_world {
public:
    explicit bare_world(leakcheck::simulated_options options = {},
                        leakcheck::choices decisions = leakcheck::choices::seeded(1))
        : kernel(std::move(options), std::move(decisions)), driver(kernel) {}

    /// An entry that carries `number`; fill it in.
    [[nodiscard]] io_uring_sqe& request(std::uint64_t number) {
        io_uring_sqe& sqe = driver.next_sqe();
        sqe.user_data = number << 2;
        return sqe;
    }
    void cancel(std::uint64_t number, std::uint64_t target) {
        io_uring_sqe& sqe = request(number);
        rf::detail::prep::cancel(sqe, target << 2);
        sqe.user_data = number << 2;
    }

    /// What has completed now, in order; `user_data` is the request's number.
    std::vector<completion> take() {
        std::vector<completion> all;
        std::array<completion, 16> batch;
        while (const std::size_t count = driver.reap(batch))
            all.insert(all.end(), batch.begin(),
                       batch.begin() + static_cast<std::ptrdiff_t>(count));
        for (completion& one : all)
            one.user_data >>= 2;
        return all;
    }
    /// Waits as long as anything is still to come, and takes it all.
    std::vector<completion> settle() {
        std::vector<completion> all;
        for (;;) {
            driver.wait(instant_never);
            const auto more = take();
            if (more.empty() && !driver.has_unsubmitted() && !driver.has_deferred()) return all;
            all.insert(all.end(), more.begin(), more.end());
        }
    }

    leakcheck::simulated_kernel kernel;
    leakcheck::simulated_driver driver;
};

/// A ring of provided buffers in one piece of memory.
class buffer_ring {
public:
    buffer_ring(driver& kernel, std::uint16_t group, std::uint32_t entries, std::size_t size)
        : kernel_(kernel), group_(group), size_(size), slots_(entries),
          memory_(entries * size, '\0') {
        registered = kernel.register_buffer_ring(ring(), entries, group);
    }
    buffer_ring(const buffer_ring&) = delete;
    buffer_ring& operator=(const buffer_ring&) = delete;
    ~buffer_ring() {
        if (registered == 0) kernel_.unregister_buffer_ring(group_);
    }

    void provide(std::uint16_t id) {
        io_uring_buf& slot = slots_[tail_ & (slots_.size() - 1)];
        slot.addr = reinterpret_cast<std::uint64_t>(&memory_[id * size_]);
        slot.len = static_cast<std::uint32_t>(size_);
        slot.bid = id;
        __atomic_store_n(&ring()->tail, ++tail_, __ATOMIC_RELEASE);
    }
    [[nodiscard]] std::string text(const completion& cqe) const {
        const std::size_t id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
        return memory_.substr(id * size_, static_cast<std::size_t>(cqe.res));
    }

    int registered = 0;

private:
    [[nodiscard]] io_uring_buf_ring* ring() noexcept {
        return reinterpret_cast<io_uring_buf_ring*>(slots_.data());
    }

    driver& kernel_;
    std::uint16_t group_;
    std::size_t size_;
    std::vector<io_uring_buf> slots_;
    std::string memory_;
    std::uint16_t tail_ = 0;
};

}  // namespace rf::test
