// SPDX-License-Identifier: MIT

// A service in which two workers have locked each other out writes down what it is doing: the tree
// of its tasks, and profiles for `go tool pprof`.
//
//     stuck_report <folder>

#include <ringfence/ringfence.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <functional>
#include <string>
#include <unistd.h>

using namespace std::chrono_literals;
namespace leakcheck = rf::leakcheck;

namespace {

rf::task<> transfer(rf::sync::mutex& from, rf::sync::mutex& to) {
    rf::this_task::set_name("transfer");
    auto first = co_await from.lock();
    co_await rf::sleep_for(1ms);
    auto second = co_await to.lock();
}

rf::task<> next_order(rf::sync::event& come) { co_await come.wait(); }

rf::task<> serve_orders(rf::sync::event& come) {
    for (;;)
        co_await rf::with_timeout(1h, [&] { return next_order(come); });
}

// [report]
void write_snapshot(const leakcheck::task_snapshot& seen, leakcheck::snapshot_format format,
                    const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return std::perror(path.c_str());
    const rf::scope_exit close([&] { ::close(fd); });
    seen.write(format, fd);
}

rf::task<> write_reports(std::string folder) {
    auto seen = co_await leakcheck::snapshot();
    auto all = co_await leakcheck::profile(leakcheck::profile_kind::task);
    auto stuck = co_await leakcheck::profile(leakcheck::profile_kind::taskleak);
    co_await rf::offload([&] {  // files block, and many tasks take a while to render
        write_snapshot(seen, leakcheck::snapshot_format::text, folder + "/tasks.txt");
        write_snapshot(seen, leakcheck::snapshot_format::json, folder + "/tasks.json");
        write_snapshot(seen, leakcheck::snapshot_format::folded, folder + "/tasks.folded");
        all.write(folder + "/task.pb.gz");
        stuck.write(folder + "/taskleak.pb.gz");
    });
}
// [/report]

rf::task<> write_other_profiles(std::string folder) {
    using leakcheck::profile_kind;
    for (const profile_kind kind :
         {profile_kind::fd, profile_kind::inflight, profile_kind::timer, profile_kind::block}) {
        auto one = co_await leakcheck::profile(kind);
        const std::string path = folder + "/" + std::string(to_string(kind)) + ".pb.gz";
        co_await rf::offload([&] { one.write(path); });
    }
}

// [growth]
rf::task<> write_growth(leakcheck::growth_warning seen, std::string path) {
    co_await rf::offload([&] {
        try {
            seen.write_diff_profile(path);
        } catch (const std::exception& failed) {  // a full disk is no reason to end the service
            std::fprintf(stderr, "%s\n", failed.what());
        }
    });
}

void keep_growth(leakcheck::monitor& watch, const std::string& path) {
    watch.on_growth([path](const leakcheck::growth_warning& seen) {
        std::fputs(seen.table().c_str(), stderr);
        rf::nursery& root = rf::root_nursery();
        if (!root.draining()) root.spawn(write_growth, seen, path);
    });
}
// [/growth]

rf::task<> service(std::string folder) {
    rf::sync::mutex checking;
    rf::sync::mutex savings;
    rf::sync::event order;
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
    co_await rf::with_nursery({.name = "workers"}, [&](rf::nursery& workers) -> rf::task<> {
        leakcheck::monitor watch;
        keep_growth(watch, folder + "/growth.pb.gz");
        watch.sample();  // the baseline
        workers.spawn(transfer, std::ref(checking), std::ref(savings));
        workers.spawn(transfer, std::ref(savings), std::ref(checking));
        for (int i = 0; i < 3; ++i)
            workers.spawn(serve_orders, std::ref(order));
        workers.spawn([&]() -> rf::task<> { auto peer = co_await listener.accept(); });
        co_await rf::sleep_for(20ms);
        watch.sample();
        co_await write_reports(folder);
        co_await write_other_profiles(folder);
        watch.sample();
        co_await write_growth(watch.lasting(), folder + "/growth.pb.gz");
        workers.cancel();
    });
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) {
        std::fputs("usage: stuck_report <folder>\n", stderr);
        return 2;
    }
    if (!leakcheck::task_profile::available()) {
        std::fputs("this ringfence was built without profiles\n", stderr);
        return 77;
    }
    return rf::run([&] { return service(arguments[1]); });
}
