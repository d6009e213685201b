// SPDX-License-Identifier: MIT
// file_copy <from> <to>: copies a file with several reads and writes under way at a time.
//
// Each of a few lanes has a buffer and takes the next block that nobody has taken: reads it, writes
// it at the same offset, and so on. The first error cancels the other lanes, and a half-made copy
// is removed, unless there was a file of that name before.
#include <ringfence/io/directory.hpp>
#include <ringfence/io/file.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/scope_guard.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <span>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

namespace io = rf::io;

constexpr std::size_t block_bytes = std::size_t{256} << 10;
constexpr int lanes = 8;

struct copy_job {
    io::file from;
    io::file to;
    std::uint64_t size = 0;
    std::uint64_t next = 0;  // the first offset that no lane has taken
    std::uint64_t copied = 0;
};

rf::task<> copy_lane(copy_job& job) {
    std::vector<std::byte> block(block_bytes);
    while (job.next < job.size) {
        std::uint64_t offset = job.next;
        job.next += block_bytes;
        const std::uint64_t end = std::min(job.next, job.size);
        while (offset < end) {
            const auto room = std::span(block).first(static_cast<std::size_t>(end - offset));
            const std::size_t got = co_await job.from.read_at(offset, room);
            if (got == 0) co_return;  // the file has become shorter meanwhile
            co_await job.to.write_all_at(offset, std::span<const std::byte>(room).first(got));
            offset += got;
            job.copied += got;
        }
    }
}

rf::task<> copy_blocks(copy_job& job) {
    job.size = co_await job.from.size();
    co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
        for (int i = 0; i < lanes; ++i)
            all.spawn(copy_lane, std::ref(job));
        co_return;
    });
}

// Makes `to`, or opens and empties what is there. Returns whether it was made.
rf::task<bool> open_target(copy_job& job, const std::string& to, mode_t permissions) {
    const io::open_options make_new{
        .read = false, .write = true, .create = true, .exclusive = true, .mode = permissions};
    auto made = co_await rf::as_result(io::file::open(to, make_new));
    if (made) {
        job.to = std::move(*made);
        co_return true;
    }
    if (!made.error().is(std::errc::file_exists))
        io::throw_failure(io::request_kind::open, "open", made.error().code(), to);
    const io::open_options empty_it{.read = false, .write = true, .truncate = true};
    job.to = co_await io::file::open(to, empty_it);
    co_return false;
}

rf::task<int> copy_file(std::string from, std::string to) {
    copy_job job;
    job.from = co_await io::file::open(from);
    const io::file_status source = co_await io::status(from);
    if (source.type != io::file_type::regular) {
        std::fprintf(stderr, "file_copy: %s is no file but a %s\n", from.c_str(),
                     io::to_string(source.type));
        co_return 1;
    }
    // The source must not be emptied in order to be overwritten by itself.
    auto there = co_await rf::as_result(io::status(to));
    if (there && there->inode == source.inode && there->device == source.device) {
        std::fprintf(stderr, "file_copy: %s and %s are the same file\n", from.c_str(), to.c_str());
        co_return 1;
    }

    const bool made = co_await open_target(job, to, source.permissions);
    // A plain call: guards cannot wait. Runs after an error and after a cancel.
    rf::scope_failure remove_half([&] {
        if (made) ::unlink(to.c_str());
    });
    co_await copy_blocks(job);
    if (made) co_await job.to.fsync(true);
    co_await job.to.close();  // network file systems report lost writes here
    std::printf("%llu bytes copied\n", static_cast<unsigned long long>(job.copied));
    co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: file_copy <from> <to>\n");
        return 2;
    }
    std::signal(SIGXFSZ, SIG_IGN);  // RLIMIT_FSIZE is an error like a full disk, not the end
    const std::string from = argv[1];
    const std::string to = argv[2];
    return rf::run([&] { return copy_file(from, to); });
}
