// SPDX-License-Identifier: MIT
// Descriptors that nobody closes, that are closed by the wrong one, or that a cancel leaves open.
#include "tests/corpus/kernel.hpp"
#include "tests/corpus/stream_pair.hpp"
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/scope_guard.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/sync/channel.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace rf::corpus {
namespace {

using io::unix_stream;
using sync::receiver;
using sync::sender;

struct connection_kept_on_error final : kernel {
    std::vector<unix_stream> active;

    task<> handle() {
        mark("descriptor");
        auto ends = co_await stream_pair(simulated());
        active.push_back(std::move(ends.first));
        (void)co_await ends.second.write_all("bad request");
        auto got = co_await active.back().read();
        if (buggy() && got.text().starts_with("bad")) co_return;  // stays in the list
        active.pop_back();
    }
    task<> main() override {
        spawn("handler", &connection_kept_on_error::handle);
        co_return;
    }
};

struct descriptor_to_a_dead_waiter final : kernel {
    task<> acceptor(sender<unix_stream> accepted) {
        co_await sleep_for(2ms);
        mark("descriptor");
        auto ends = co_await stream_pair(simulated());
        if (fixed()) co_return;  // the caller was asked, and is not there any more
        (void)co_await as_result(accepted.send(std::move(ends.first)));
    }
    task<> caller(receiver<unix_stream> accepted) {
        auto won = co_await select(accepted.receive(), sleep_for(1ms));
        (void)won.index();
    }
    task<> main() override {
        auto accepted = open<unix_stream>(1);
        spawn("acceptor", &descriptor_to_a_dead_waiter::acceptor, std::move(accepted.sender));
        spawn("caller", &descriptor_to_a_dead_waiter::caller, std::move(accepted.receiver));
        co_return;
    }
};

struct connection_in_a_reference_cycle final : kernel {
    struct session {
        unix_stream peer;
        std::shared_ptr<session> self{};
    };
    std::weak_ptr<session> seen;

    ~connection_in_a_reference_cycle() override {
        if (auto left = seen.lock()) left->self.reset();
    }
    task<> serve() {
        mark("descriptor");
        auto ends = co_await stream_pair(simulated());
        auto one = std::make_shared<session>(session{std::move(ends.first)});
        if (buggy()) one->self = one;
        seen = one;
    }
    task<> main() override {
        spawn("server", &connection_in_a_reference_cycle::serve);
        co_return;
    }
};

void close_behind_its_back(bool simulated, int fd) {
    if (simulated)
        (void)leakcheck::simulated_kernel::here().close_now(fd);
    else
        ::close(fd);
}

struct closed_by_somebody_else final : kernel {
    std::optional<unix_stream> own;

    task<> handle() {
        mark("descriptor");
        auto ends = co_await stream_pair(simulated());
        if (buggy()) close_behind_its_back(simulated(), ends.first.native_handle());
        own = std::move(ends.first);
        if (fixed()) co_return own.reset();
        own.reset();
        co_await sleep_for(20ms);
    }
    task<> main() override {
        spawn("handler", &closed_by_somebody_else::handle);
        co_return;
    }
};

struct double_close_hits_a_neighbour final : kernel {
    std::vector<unix_stream> open_now;

    task<> handle() {
        mark("descriptor");
        auto first = co_await stream_pair(simulated());
        if (buggy()) close_behind_its_back(simulated(), first.first.native_handle());
        auto second = co_await stream_pair(simulated());  // is given the number that is free
        open_now.push_back(std::move(first.first));
        open_now.push_back(std::move(second.first));
        if (fixed()) open_now.clear();
    }
    task<> main() override {
        spawn("handler", &double_close_hits_a_neighbour::handle);
        co_return;
    }
};

/// A descriptor without an owner: closed by hand, at the end of what uses it.
class raw_descriptor {
public:
    raw_descriptor() : fd_(leakcheck::simulated_kernel::here().make_eventfd()) {}
    void close() {
        if (fd_ >= 0) (void)leakcheck::simulated_kernel::here().close_now(std::exchange(fd_, -1));
    }

private:
    int fd_;
};

struct closed_after_an_await final : kernel {
    task<> main() override {
        raw_descriptor file;
        const scope_exit clean([&] {
            if (fixed()) file.close();
        });
        mark("await");
        co_await sleep_for(1s);
        file.close();
    }
};

struct cleanup_in_a_catch_block final : kernel {
    task<> work() {
        mark("await");
        co_await sleep_for(1s);
    }
    task<> main() override {
        raw_descriptor file;
        const scope_exit clean([&] {
            if (fixed()) file.close();
        });
        RF_TRY { co_await work(); }
        RF_CATCH(...) {
            file.close();  // no cancel comes by here
#if RF_EXCEPTIONS
            throw;
#endif
        }
        file.close();
    }
};

struct closed_by_the_next_task final : kernel {
    std::optional<raw_descriptor> file;

    task<> closer() {
        file->close();
        co_return;
    }
    task<> main() override {
        file.emplace();
        const scope_exit clean([&] {
            if (fixed()) file->close();
        });
        mark("await");
        co_await sleep_for(1s);
        spawn("closer", &closed_by_the_next_task::closer);
        co_await sleep_for(1s);
    }
};

struct lock_file_behind_a_success_path final : kernel {
    sync::channel<int> answers{0};

    task<> answer() {
        co_await sleep_for(1s);
        (void)co_await as_result(answers.send(1));
    }
    task<> main() override {
        raw_descriptor lock_file;
        const scope_exit clean([&] {
            if (fixed()) lock_file.close();
        });
        spawn("answerer", &lock_file_behind_a_success_path::answer);
        mark("await");
        auto got = co_await answers.receive();
        if (got) lock_file.close();
    }
};

}  // namespace

entries descriptors() {
    constexpr const char* kept = "descriptor / kept";
    constexpr const char* closed = "descriptor / closed twice";
    constexpr const char* cancel = "descriptor / left on cancel";
    constexpr structure found = structure::detected;
    constexpr method everywhere = method::cancel;
    return {
        {"connection_kept_on_error", kept, make<connection_kept_on_error>, "descriptor"},
        {"descriptor_to_a_dead_waiter", kept, make<descriptor_to_a_dead_waiter>, "descriptor",
         structure::by_ends},
        {"connection_in_a_reference_cycle", kept, make<connection_in_a_reference_cycle>,
         "descriptor"},
        {"closed_by_somebody_else", closed, make<closed_by_somebody_else>, "descriptor"},
        {"double_close_hits_a_neighbour", closed, make<double_close_hits_a_neighbour>,
         "descriptor"},
        {"closed_after_an_await", cancel, make<closed_after_an_await>, "await", found, everywhere},
        {"cleanup_in_a_catch_block", cancel, make<cleanup_in_a_catch_block>, "await", found,
         everywhere},
        {"closed_by_the_next_task", cancel, make<closed_by_the_next_task>, "await", found,
         everywhere},
        {"lock_file_behind_a_success_path", cancel, make<lock_file_behind_a_success_path>, "await",
         found, everywhere},
    };
}

}  // namespace rf::corpus
