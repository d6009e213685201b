// SPDX-License-Identifier: MIT
#include <ringfence/runtime/features.hpp>

#include <algorithm>
#include <initializer_list>

namespace rf {
namespace {

using member = bool kernel_features::*;

struct named_member {
    std::string_view name;
    member feature;
};

constexpr named_member members[] = {
    {"defer_taskrun", &kernel_features::defer_taskrun},
    {"coop_taskrun", &kernel_features::coop_taskrun},
    {"submit_all", &kernel_features::submit_all},
    {"multishot_accept", &kernel_features::multishot_accept},
    {"multishot_recv", &kernel_features::multishot_recv},
    {"multishot_recvmsg", &kernel_features::multishot_recvmsg},
    {"multishot_poll", &kernel_features::multishot_poll},
    {"buf_ring", &kernel_features::buf_ring},
    {"cancel_any", &kernel_features::cancel_any},
    {"no_iowait", &kernel_features::no_iowait},
    {"registered_ring", &kernel_features::registered_ring},
    {"iowq_limit", &kernel_features::iowq_limit},
    {"fixed_files", &kernel_features::fixed_files},
    {"send_zc", &kernel_features::send_zc},
    {"msg_ring", &kernel_features::msg_ring},
};
static_assert(sizeof(kernel_features) == std::size(members), "a feature without a name");

void switch_off(kernel_features& features, std::initializer_list<member> chosen) {
    for (const member feature : chosen)
        features.*feature = false;
}

bool switch_off(kernel_features& features, std::string_view name) {
    using f = kernel_features;
    if (name == "multishot") {
        switch_off(features, {&f::multishot_accept, &f::multishot_recv, &f::multishot_recvmsg,
                              &f::multishot_poll});
        return true;
    }
    if (name == "6.1") {
        switch_off(features, {&f::no_iowait, &f::fixed_files});
        return true;
    }
    if (name == "5.15") {
        switch_off(features, {&f::defer_taskrun, &f::coop_taskrun, &f::submit_all,
                              &f::multishot_accept, &f::multishot_recv, &f::multishot_recvmsg,
                              &f::buf_ring, &f::cancel_any, &f::no_iowait, &f::registered_ring,
                              &f::fixed_files, &f::send_zc, &f::msg_ring});
        return true;
    }
    const auto* found = std::ranges::find(members, name, &named_member::name);
    if (found == std::end(members)) return false;
    features.*found->feature = false;
    return true;
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

std::string kernel_features::describe() const {
    std::string names;
    for (const auto& [name, feature] : members) {
        if (!(this->*feature)) continue;
        if (!names.empty()) names += ' ';
        names += name;
    }
    return names;
}

std::string_view mask_features(kernel_features& features, std::string_view mask) {
    std::string_view unknown;
    while (!mask.empty()) {
        const auto comma = std::min(mask.find(','), mask.size());
        const std::string_view name = trimmed(mask.substr(0, comma));
        mask.remove_prefix(std::min(comma + 1, mask.size()));
        if (!name.empty() && !switch_off(features, name) && unknown.empty()) unknown = name;
    }
    if (!features.buf_ring) features.multishot_recv = features.multishot_recvmsg = false;
    return unknown;
}

}  // namespace rf
