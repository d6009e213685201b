// SPDX-License-Identifier: MIT
#include <ringfence/runtime/uring_files.hpp>

#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/uring_constants.hpp>
#include <ringfence/runtime/uring_requests.hpp>

#include <algorithm>
#include <cerrno>
#include <sys/resource.h>

namespace rf::detail {

int uring_files::make_table() noexcept {
    // The kernel refuses a table larger than the limit on descriptors.
    rlimit limit{};
    (void)::getrlimit(RLIMIT_NOFILE, &limit);
    const auto slots = static_cast<std::uint32_t>(std::min<rlim_t>(limit.rlim_cur, slots_max));
    io_uring_rsrc_register table{};
    table.nr = slots;
    table.flags = abi::rsrc_register_sparse;
    const int error = ring_.register_op(IORING_REGISTER_FILES2, &table, sizeof table);
    if (error < 0) return refused_ = error;
    slots_ = slots;
    return 0;
}

int uring_files::update(std::uint32_t slot, int fd) const noexcept {
    io_uring_files_update change{};
    change.offset = slot;
    change.fds = prep::address(&fd);
    return ring_.register_op(IORING_REGISTER_FILES_UPDATE, &change, 1);
}

int uring_files::enter(int fd) noexcept {
    if (refused_ != 0) return refused_;
    if (slots_ == 0)
        if (const int error = make_table(); error < 0) return error;
    const bool used_before = !spare_.empty();
    if (!used_before && fresh_ == slots_) return -ENFILE;
    const std::uint32_t slot = used_before ? spare_.back() : fresh_;
    if (const int error = update(slot, fd); error < 0) return error;
    if (used_before)
        spare_.pop_back();
    else
        ++fresh_;
    ++count_;
    return static_cast<int>(slot);
}

void uring_files::leave(int slot) noexcept {
    RF_ASSERT(slot >= 0 && static_cast<std::uint32_t>(slot) < fresh_ && count_ != 0,
              "a descriptor left a slot of its ring that it was not in");
    (void)update(static_cast<std::uint32_t>(slot), -1);
    --count_;
    spare_.push_back(static_cast<std::uint32_t>(slot));
}

std::vector<std::uint32_t> uring_files::held() const {
    std::vector<bool> is_free(fresh_);
    for (const std::uint32_t slot : spare_)
        is_free[slot] = true;
    std::vector<std::uint32_t> in_use;
    for (std::uint32_t slot = 0; slot < fresh_; ++slot)
        if (!is_free[slot]) in_use.push_back(slot);
    return in_use;
}

}  // namespace rf::detail
