// SPDX-License-Identifier: MIT
#include <ringfence/runtime/processors.hpp>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sched.h>
#include <sstream>

namespace rf {
namespace detail {
namespace {

constexpr std::uint32_t no_limit = std::numeric_limits<std::uint32_t>::max();

std::uint32_t rounded_up(long long quota, long long period) noexcept {
    if (quota <= 0 || period <= 0) return no_limit;
    const long long whole = (quota - 1) / period + 1;
    return static_cast<std::uint32_t>(std::min<long long>(whole, no_limit));
}

// "max 100000" or "150000 100000".
std::uint32_t limit_of_v2(const std::string& folder) {
    std::ifstream file(folder + "/cpu.max");
    std::string quota;
    long long period = 0;
    if (!(file >> quota >> period) || quota == "max") return no_limit;
    return rounded_up(std::strtoll(quota.c_str(), nullptr, 10), period);
}

std::uint32_t limit_of_v1(const std::string& folder) {
    std::ifstream quota_file(folder + "/cpu.cfs_quota_us");
    std::ifstream period_file(folder + "/cpu.cfs_period_us");
    long long quota = 0;
    long long period = 0;
    if (!(quota_file >> quota) || !(period_file >> period)) return no_limit;
    return rounded_up(quota, period);  // -1: none
}

// The lowest limit of the cgroup at `path` and those around it, up to the mount. In a container the
// path may name what is not visible there; the mount itself is then the container's.
std::uint32_t lowest(const std::string& mount, std::string path,
                     std::uint32_t (*limit_of)(const std::string&)) {
    std::uint32_t least = limit_of(mount);
    while (!path.empty() && path != "/") {
        least = std::min(least, limit_of(mount + path));
        path.erase(path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/'));
    }
    return least;
}

bool has_cpu_controller(const std::string& controllers) {
    std::istringstream names(controllers);
    for (std::string name; std::getline(names, name, ',');)
        if (name == "cpu") return true;
    return false;
}

}  // namespace

std::uint32_t processors_paid_for(const std::string& root) {
    std::uint32_t least = no_limit;
    std::ifstream groups(root + "/proc/self/cgroup");
    // "0::/path" for version 2, "4:cpu,cpuacct:/path" for version 1.
    for (std::string line; std::getline(groups, line);) {
        const std::size_t first = line.find(':');
        const std::size_t second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const std::string path = line.substr(second + 1);
        const std::string mounts = root + "/sys/fs/cgroup";
        if (controllers.empty()) {
            least = std::min(least, lowest(mounts, path, limit_of_v2));
            least = std::min(least, lowest(mounts + "/unified", path, limit_of_v2));
        } else if (has_cpu_controller(controllers)) {
            least = std::min(least, lowest(mounts + "/" + controllers, path, limit_of_v1));
            least = std::min(least, lowest(mounts + "/cpu", path, limit_of_v1));
        }
    }
    return least == no_limit ? 0 : least;
}

std::vector<int> allowed_processors() {
    // More than 1024 processors need a larger set than cpu_set_t: it grows until it is taken.
    for (int size = 1024; size <= 1 << 20; size *= 2) {
        cpu_set_t* const set = CPU_ALLOC(static_cast<std::size_t>(size));
        if (set == nullptr) break;
        const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(size));
        std::vector<int> numbers;
        if (sched_getaffinity(0, bytes, set) == 0)
            for (int number = 0; number < size; ++number)
                if (CPU_ISSET_S(static_cast<std::size_t>(number), bytes, set))
                    numbers.push_back(number);
        CPU_FREE(set);
        if (!numbers.empty()) return numbers;
    }
    return {0};
}

}  // namespace detail

std::uint32_t usable_processors() noexcept {
    const auto allowed = static_cast<std::uint32_t>(detail::allowed_processors().size());
    const std::uint32_t paid = detail::processors_paid_for("");
    return paid == 0 ? allowed : std::min(allowed, paid);
}

}  // namespace rf
