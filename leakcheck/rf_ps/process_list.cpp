// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/rf_ps/live_process.hpp>
#include <ringfence/leakcheck/rf_ps/refusal.hpp>
#include <ringfence/leakcheck/rf_ps/registry.hpp>
#include <ringfence/leakcheck/rf_ps/report.hpp>
#include <ringfence/leakcheck/rf_ps/tree_reader.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <dirent.h>
#include <memory>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace rf::leakcheck::rf_ps {
namespace {

[[nodiscard]] std::vector<pid_t> all_processes() {
    std::vector<pid_t> all;
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), &::closedir);
    if (folder == nullptr) throw refusal("/proc is not mounted here: rf-ps finds processes there");
    while (const dirent* entry = ::readdir(folder.get())) {
        const std::string_view name(entry->d_name);
        pid_t pid = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (error == std::errc() && end == name.data() + name.size() && pid != ::getpid())
            all.push_back(pid);
    }
    std::ranges::sort(all);
    return all;
}

struct listing {
    int found = 0;
    int closed = 0;  // that the caller may not read

    void add(pid_t pid) {
        try {
            const live_process process(pid);
            add(pid, process);
        } catch (const forbidden&) {
            ++closed;
        } catch (const refusal&) {  // it ended, or is the kernel's
        }
    }

private:
    void add(pid_t pid, const live_process& process) {
        std::string words;
        try {
            const auto known = registry::find(process);
            if (!known) return;
            const tree_reader reader(process, *known);
            const auto loops = known->loops(process);
            std::uint64_t tasks = 0;
            for (const address loop : loops)
                tasks += reader.count_tasks(loop);
            words =
                fmt::format("{:>7} {:>6} {:>9}  {}", pid, loops.size(), tasks, process.program());
        } catch (const torn&) {
            words = fmt::format("{:>7} {:>6} {:>9}  {}", pid, "?", "?", process.program());
        } catch (const forbidden&) {
            throw;
        } catch (const refusal& why) {
            words = fmt::format("{:>7} {:>6} {:>9}  {}", pid, "-", "-", why.what());
        }
        if (found++ == 0) fmt::print("{:>7} {:>6} {:>9}  {}\n", "PID", "LOOPS", "TASKS", "PROGRAM");
        fmt::print("{}\n", words);
    }
};

}  // namespace

void print_processes() {
    listing all;
    for (const pid_t pid : all_processes())
        all.add(pid);
    if (all.found == 0) fmt::print("no process with ringfence in it was found\n");
    if (all.closed != 0)
        fmt::print("processes that you may not read: {}; run rf-ps as root to see all, or "
                   "`rf-ps <pid>` to be told why\n",
                   all.closed);
}

}  // namespace rf::leakcheck::rf_ps
