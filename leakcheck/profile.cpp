// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/profile.hpp>

#include <ringfence/leakcheck/detail/profile_samples.hpp>
#include <ringfence/leakcheck/detail/report_file.hpp>
#include <ringfence/runtime/detail/openings.hpp>
#include <ringfence/runtime/ledger.hpp>
#include <ringfence/runtime/loop.hpp>

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace rf::leakcheck {
namespace {

constexpr profile_kind kinds[] = {profile_kind::task,  profile_kind::taskleak,
                                  profile_kind::fd,    profile_kind::inflight,
                                  profile_kind::timer, profile_kind::block};

}  // namespace

std::string_view to_string(profile_kind kind) noexcept {
    switch (kind) {
    case profile_kind::task: return "task";
    case profile_kind::taskleak: return "taskleak";
    case profile_kind::fd: return "fd";
    case profile_kind::inflight: return "inflight";
    case profile_kind::timer: return "timer";
    case profile_kind::block: return "block";
    }
    return "unknown";
}

std::optional<profile_kind> profile_kind_named(std::string_view name) noexcept {
    for (const profile_kind kind : kinds)
        if (to_string(kind) == name) return kind;
    return std::nullopt;
}

task_profile::task_profile(profile_kind kind, const loop& of, const wait_graph_options& proof)
    : kind_(kind), seen_(nullptr) {
    if (kind == profile_kind::fd)
        of.ledger().for_each(
            [&](const descriptor_entry& entry) { opened_.push_back(entry.as_resource(of)); });
    if ((kind == profile_kind::timer || kind == profile_kind::inflight) && of.openings() != nullptr)
        of.openings()->list([&](const resource& one) {
            const bool timer = one.kind == resource_kind::timer;
            if (timer == (kind == profile_kind::timer)) opened_.push_back(one);
        });
    if (kind != profile_kind::taskleak) return;
    const wait_graph graph(of, proof);
    for (const wait_finding& finding : graph.findings())
        if (finding.proof())
            for (const std::uint64_t task : finding.tasks)
                proven_.emplace(task, finding.what);
}

task_profile::task_profile(profile_kind kind, task_snapshot refused)
    : kind_(kind), seen_(std::move(refused)) {}

std::string task_profile::encode() const {
    if (!refusal().empty()) RF_THROW(std::runtime_error(std::string(refusal())));
    return detail::encode_profile(detail::profile_samples(*this));
}

void task_profile::write(const std::string& path) const {
    detail::write_report_file(path, encode());
}

bool task_profile::available() noexcept { return detail::can_encode_profiles(); }

task<task_profile> profile(profile_kind kind, profile_options options) {
    task_profile made(kind, loop::here(), options.proof);
    auto seen = co_await snapshot(options.copying);
    made.add(std::move(seen));
    co_return made;
}

task_profile profile_now(profile_kind kind, const profile_options& options) {
    task_snapshot seen = snapshot_now();
    if (!seen.refusal().empty()) return task_profile(kind, std::move(seen));
    task_profile made(kind, loop::here(), options.proof);
    made.add(std::move(seen));
    return made;
}

}  // namespace rf::leakcheck
