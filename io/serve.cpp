// SPDX-License-Identifier: MIT
#include <ringfence/io/serve.hpp>

#include <ringfence/runtime/error.hpp>

#include <cstdio>

namespace rf::io::detail {

shard shard_chooser::next() noexcept {
    if (over_ == spread::least_loaded) return least_loaded_shard();
    return shards()[turn_++ % shards().size()];
}

void report_connection_failure(const child_failure& failure) noexcept {
#if RF_EXCEPTIONS
    try {
        std::rethrow_exception(failure.error);
    } catch (const io_error&) {
        return;  // peers come and go
    } catch (const timeout_error&) {
        return;
    } catch (...) {
    }
#endif
    std::fprintf(stderr, "ringfence: a connection: %s\n", failure.describe().c_str());
}

}  // namespace rf::io::detail
