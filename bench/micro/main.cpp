// SPDX-License-Identifier: MIT
// What operations cost on one thread (between two, for what is shared), each beside its floor.
//
//   micro [--small] [--json] [--rounds N] [filter]
//   micro --list
//
// One line an operation, tab-separated: name, median, min, max, allocations and system calls per
// operation; a dash where they are not counted. Nanoseconds of processor time for one, unless the
// name says otherwise.
#include "micro.hpp"
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/run.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <vector>

namespace micro {
thread_local constinit std::uint64_t allocations = 0;

std::uint64_t kernel_entries() noexcept {
    rf::loop* const owner = rf::detail::slot.owner;
    return owner == nullptr ? 0 : owner->kernel().enter_count();
}
}  // namespace micro

void* operator new(std::size_t size) {
    ++micro::allocations;
    if (void* block = std::malloc(size)) return block;
    std::abort();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

namespace {

struct options {
    bool small = false;
    bool json = false;
    int rounds = 7;
    std::string_view filter;
};

/// What the rounds of one name gave.
struct column {
    std::vector<double> values;
    double allocations = 0;
    double entries = -1;  // not counted
    void add(double value, double allocations_each) {
        values.push_back(value);
        allocations = allocations_each;
    }
};

bool ends_with(std::string_view name, std::string_view end) {
    return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
}

void note(column& to, const char* name, const micro::stopwatch& watch) {
    if (watch.count == 0) {
        std::fprintf(stderr, "micro: %s measured nothing\n", name);
        std::abort();
    }
    const auto count = static_cast<double>(watch.count);
    to.add(ends_with(name, "_ms") ? watch.ns / 1e6 : watch.ns / count, watch.made / count);
    if (std::strncmp(name, "floor_", 6) != 0) to.entries = watch.entered / count;
}

class table {
public:
    explicit table(const options& how) : how_(how) {
        if (!how.json)
            std::printf("# name\tmedian\tmin\tmax\tallocations\tsystem calls per operation\n");
    }
    void print(const char* name, column& found) {
        std::sort(found.values.begin(), found.values.end());
        const double median = found.values[found.values.size() / 2];
        const char* format = how_.json ? "%s  {\"name\": \"%s\", \"median\": %.2f, \"min\": %.2f, "
                                         "\"max\": %.2f, \"allocations\": %.4f"
                                       : "%s%s\t%.2f\t%.2f\t%.2f\t%.4f";
        std::printf(format, how_.json ? (empty_ ? "[\n" : ",\n") : "", name, median,
                    found.values.front(), found.values.back(), found.allocations);
        if (found.entries >= 0)
            std::printf(how_.json ? ", \"system_calls\": %.4f}" : "\t%.4f\n", found.entries);
        else
            std::fputs(how_.json ? "}" : "\t-\n", stdout);
        std::fflush(stdout);
        empty_ = false;
    }
    void end() const {
        if (how_.json) std::printf("%s\n]\n", empty_ ? "[" : "");
    }
    [[nodiscard]] bool empty() const { return empty_; }

private:
    const options& how_;
    bool empty_ = true;
};

const micro::floor_bench* floor_of(std::string_view name) {
    for (const auto group : {micro::task_floors(), micro::sync_floors(), micro::timer_floors(),
                             micro::shared_floors(), micro::post_floors()})
        for (const micro::floor_bench& floor : group)
            if (std::string_view(floor.name).substr(6) == name) return &floor;
    return nullptr;
}

// Turn by turn, so that both see the same machine. A round before touches memory and counts not.
void measure(const micro::bench& what, const options& how, table& to) {
    const long operations = how.small ? std::max(what.operations / 100, 1L) : what.operations;
    const micro::floor_bench* floor = floor_of(what.name);
    column ours;
    column floors;
    for (int round = how.small ? 0 : -1; round < how.rounds; ++round) {
        micro::stopwatch watch;
        micro::run_on_loop(what.body, &watch, operations);
        if (round >= 0) note(ours, what.name, watch);
        if (floor == nullptr) continue;
        micro::stopwatch beside;
        floor->body(&beside, operations);
        if (round >= 0) note(floors, floor->name, beside);
    }
    to.print(what.name, ours);
    if (floor != nullptr) to.print(floor->name, floors);
}

void measure(const micro::memory_bench& what, const options& how, table& to) {
    const long count = how.small ? std::max(what.operations / 100, 1L) : what.operations;
    column found;
    for (int round = 0; round < std::min(how.rounds, 3); ++round)
        found.add(what.bytes_of_one(count), 0);
    to.print(what.name, found);
}

constexpr auto groups = {micro::task_benches, micro::sync_benches, micro::timer_benches,
                         micro::shared_benches, micro::post_benches};

// Without floors.
void list_names() {
    for (const auto group : groups)
        for (const micro::bench& what : group())
            std::printf("%s\n", what.name);
    for (const micro::memory_bench& what : micro::memory_benches())
        if (std::string_view(what.name).substr(0, 6) != "floor_") std::printf("%s\n", what.name);
}

options parse(int argc, char** argv) {
    options how;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--small") == 0) {
            how.small = true;
            how.rounds = 1;
        } else if (std::strcmp(argv[i], "--json") == 0) {
            how.json = true;
        } else if (std::strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            how.rounds = std::max(std::atoi(argv[++i]), 1);
        } else {
            how.filter = argv[i];
        }
    }
    return how;
}

}  // namespace

void micro::run_on_loop(rf::task<> (*body)(stopwatch*, long), stopwatch* watch, long operations) {
    const rf::run_report report = rf::run_and_report([&] { return body(watch, operations); });
    if (report.status == 0 && report.leaks.empty()) return;
    (void)rf::print_report(report);
    std::exit(report.status != 0 ? report.status : 1);
}

int main(int argc, char** argv) {
    if (argc == 4 && std::strcmp(argv[1], "--fresh") == 0)
        return micro::fresh_process(argv[2], std::atol(argv[3]));
    if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
        list_names();
        return 0;
    }
    const options how = parse(argc, argv);
    table out(how);
    const auto wanted = [&](std::string_view name) {
        return name.find(how.filter) != std::string_view::npos;
    };
    for (const auto group : groups)
        for (const micro::bench& what : group())
            if (wanted(what.name)) measure(what, how, out);
    for (const micro::memory_bench& what : micro::memory_benches())
        if (wanted(what.name)) measure(what, how, out);
    out.end();
    if (!out.empty()) return 0;
    std::fprintf(stderr, "micro: no bench has a name with \"%.*s\" in it\n",
                 static_cast<int>(how.filter.size()), how.filter.data());
    return 1;
}
