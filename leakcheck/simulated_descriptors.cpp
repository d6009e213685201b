// SPDX-License-Identifier: MIT
// The table of descriptors, and what tests do with them directly.
#include <ringfence/leakcheck/detail/process_file.hpp>
#include <ringfence/leakcheck/detail/simulated_memory.hpp>
#include <ringfence/leakcheck/detail/simulated_stream.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/system_calls.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace rf::leakcheck {
namespace {

using detail::simulated_counter;
using detail::simulated_file;
using detail::simulated_stream;

constexpr int first_descriptor = 1'000'000;

std::vector<std::byte> bytes_of(std::string_view text) {
    const auto view = std::as_bytes(std::span(text));
    return {view.begin(), view.end()};
}

}  // namespace

int simulated_kernel::install(std::shared_ptr<object> opened) {
    if (table_.size() >= options_.descriptors_max) return -EMFILE;
    int fd = first_descriptor;
    for (auto taken = table_.lower_bound(fd); taken != table_.end() && taken->first == fd; ++taken)
        ++fd;
    table_.emplace(fd, std::move(opened));
    return fd;
}

std::shared_ptr<detail::simulated_object> simulated_kernel::find(int fd) const {
    const auto found = table_.find(fd);
    return found == table_.end() ? nullptr : found->second;
}

template <class Kind>
Kind& simulated_kernel::known(int fd, const char* kind) const {
    const auto found = find(fd);
    RF_ASSERT(found != nullptr && found->kind() == kind,
              "a simulated descriptor is not open, or not of this kind");
    return static_cast<Kind&>(*found);
}

simulated_kernel::descriptor_pair simulated_kernel::make_stream_pair() {
    using role = simulated_stream::role;
    auto a = std::make_shared<simulated_stream>(*this, "stream", role::socket);
    auto b = std::make_shared<simulated_stream>(*this, "stream", role::socket);
    simulated_stream::join(a, b, options_.stream_capacity);
    const int first = install(std::move(a));
    return {first, install(std::move(b))};
}

simulated_kernel::descriptor_pair simulated_kernel::make_pipe() {
    using role = simulated_stream::role;
    auto reader = std::make_shared<simulated_stream>(*this, "pipe reader", role::pipe_reader);
    auto writer = std::make_shared<simulated_stream>(*this, "pipe writer", role::pipe_writer);
    simulated_stream::join(reader, writer, options_.stream_capacity);
    const int first = install(std::move(reader));
    return {first, install(std::move(writer))};
}

int simulated_kernel::make_socket() {
    return install(
        std::make_shared<simulated_stream>(*this, "stream", simulated_stream::role::socket));
}

int simulated_kernel::make_file(std::string_view content) {
    return install(std::make_shared<simulated_file>(*this, bytes_of(content)));
}

std::string simulated_kernel::content_of(int file) const {
    const auto& content = known<simulated_file>(file, "file").content();
    return {reinterpret_cast<const char*>(content.data()), content.size()};
}

int simulated_kernel::make_eventfd(std::uint64_t initial) {
    return install(std::make_shared<simulated_counter>(*this, initial));
}

int simulated_kernel::write_now(int fd, std::string_view data) {
    const auto found = find(fd);
    if (found == nullptr) return -EBADF;
    const iovec part{const_cast<char*>(data.data()), data.size()};
    return found->write({.parts = {&part, 1}}, ~std::uint64_t{0}).value_or(-EAGAIN);
}

std::string simulated_kernel::read_now(int fd, std::size_t size_max) {
    const auto found = find(fd);
    if (found == nullptr) return {};
    std::string text(std::min(size_max, found->readable()), '\0');
    const iovec part{text.data(), text.size()};
    const int size =
        text.empty() ? 0 : found->read({.parts = {&part, 1}}, ~std::uint64_t{0}).value_or(0);
    text.resize(static_cast<std::size_t>(std::max(size, 0)));
    return text;
}

int simulated_kernel::shut_down_now(int fd, int how) {
    const auto found = find(fd);
    return found == nullptr ? -EBADF : found->shut_down(how);
}

int simulated_kernel::close_now(int fd) {
    const auto found = table_.find(fd);
    if (found == table_.end()) return -EBADF;
    // First out of the table: what the last reference does must not find it there.
    const auto last = std::move(found->second);
    table_.erase(found);
    return 0;
}

std::shared_ptr<detail::simulated_object> simulated_kernel::file_of_process(int fd) {
    return detail::process_file::is_file(fd) ? std::make_shared<detail::process_file>(*this, fd, "")
                                             : nullptr;
}

int simulated_kernel::close_any(int fd) {
    if (fd >= first_descriptor && find(fd) != nullptr) return close_now(fd);
    table_.erase(fd);
    return system_calls::of_process().close(fd);
}

void simulated_kernel::reset_now(int fd) { known<simulated_stream>(fd, "stream").reset(); }

}  // namespace rf::leakcheck
