// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/nursery.hpp>
#include <ringfence/runtime/task.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/sync/channel_ends.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <source_location>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace rf::corpus {

/// Where the tasks of a kernel live, and with what they are written.
enum class form {
    structured,  // children of a nursery of main; guards, ends and scopes go with their owners
    background   // in a long-lived nursery, as goroutines; what is not given back stays taken
};

struct variant {
    form as = form::background;
    bool fixed = false;
    bool simulated = true;  // in a bubble; else on the real kernel
};

/// The lines that a run has marked as those to be blamed: of a task by its name, of a resource by
/// its class. The file is that of the mark.
using marks = std::map<std::string, std::source_location>;

/// A name, and the line where it is given.
struct name_at {
    const char* name;
    std::source_location where;
    // Implicit, so that spawn("reader", ...) notes its line.
    name_at(const char* text, std::source_location here = std::source_location::current()) noexcept
        : name(text), where(here) {}
};

/// A bug cut down to its core: its shared objects are members, its tasks are member functions.
class kernel {
public:
    kernel() = default;
    kernel(const kernel&) = delete;
    kernel& operator=(const kernel&) = delete;
    virtual ~kernel() = default;

    /// The body of the program. Its tasks go to spawn().
    virtual task<> main() = 0;

    /// An hour has passed and was looked at (method::inspect): what only the kernel can let go, it
    /// lets go.
    virtual void inspected() {}

    void place(const variant& how, nursery& home, marks& into) noexcept {
        how_ = how;
        home_ = &home;
        marks_ = &into;
    }
    /// What was forgotten is given back: before the members go.
    void let_go() noexcept {
        while (!forgotten_.empty())
            forgotten_.pop_back();
    }

protected:
    [[nodiscard]] bool fixed() const noexcept { return how_.fixed; }
    [[nodiscard]] bool buggy() const noexcept { return !how_.fixed; }
    [[nodiscard]] bool structured() const noexcept { return how_.as == form::structured; }
    [[nodiscard]] bool simulated() const noexcept { return how_.simulated; }
    [[nodiscard]] nursery& home() const noexcept { return *home_; }

    /// The line behind the call is to be blamed, if the calling task is stuck.
    void mark(std::source_location here = std::source_location::current()) const {
        (*marks_)[this_task::name()] = here;
    }
    /// The same for a resource that is opened there: "descriptor", "timer".
    void mark(const char* what, std::source_location here = std::source_location::current()) const {
        (*marks_)[what] = here;
    }

    template <class K, class... P, class... A>
    void spawn(name_at as, task<> (K::*fn)(P...), A&&... args) {
        home_->spawn(child(as.name, fn, std::forward<A>(args)...), as.where);
    }
    /// The same, for what serves the others: in the structured form it goes with them.
    template <class K, class... P, class... A>
    void spawn_service(name_at as, task<> (K::*fn)(P...), A&&... args) {
        if (structured())
            home_->spawn_service(child(as.name, fn, std::forward<A>(args)...), as.where);
        else
            home_->spawn(child(as.name, fn, std::forward<A>(args)...), as.where);
    }

    /// Goes out of a function without giving back what it holds. That is for the background form;
    /// in the structured form the owner is a local, and gives it back.
    template <class T>
    void forget(T& owner) {
        if (!structured()) forgotten_.push_back(std::make_shared<T>(std::move(owner)));
    }
    /// A channel that is closed when one of its sides has no end any more, in the structured form;
    /// in the background form, one that stays open whoever goes.
    template <class T = int>
    [[nodiscard]] sync::channel_ends<T> open(
        std::size_t capacity, std::source_location made = std::source_location::current()) {
        sync::channel_ends<T> ends = sync::open_channel<T>(capacity, made);
        if (!structured()) {
            forgotten_.push_back(std::make_shared<sync::sender<T>>(ends.sender));
            forgotten_.push_back(std::make_shared<sync::receiver<T>>(ends.receiver));
        }
        return ends;
    }

private:
    template <class K, class... P>
    static task<> named(const char* name, K* self, task<> (K::*fn)(P...), P... args) {
        this_task::set_name(name);
        co_await (self->*fn)(std::move(args)...);
    }
    template <class K, class... P, class... A>
    [[nodiscard]] auto child(const char* name, task<> (K::*fn)(P...), A&&... args) {
        return [name, self = static_cast<K*>(this), fn,
                kept = std::tuple<P...>(std::forward<A>(args)...)]() mutable {
            return std::apply(
                [&](P&... arg) { return named<K, P...>(name, self, fn, std::move(arg)...); }, kept);
        };
    }

    variant how_;
    nursery* home_ = nullptr;
    marks* marks_ = nullptr;
    std::vector<std::shared_ptr<void>> forgotten_;
};

/// How a kernel is run, and thereby what can see it.
enum class method {
    run,       // until its tasks have ended, or never can
    simulate,  // the same, in bubbles alone: the real kernel would be waited for without end
    real,      // on the real kernel, one schedule: what no simulated one has
    inspect,   // for an hour of virtual time: then what is open, and what waits, is looked at
    watch,     // to its end, under a monitor
    cancel     // once for each await and each way to cancel it
};

/// What the structured form does to a bug.
enum class structure {
    detected,  // it is there, and found
    by_guard,  // impossible: what is held is given back on every way out
    by_ends,   // impossible: a channel is closed when nobody is left on one side
    by_scope   // impossible: what serves a scope is cancelled at its end
};

/// A row of the corpus.
struct entry {
    const char* name;   // of the suite, or a sentence in short
    const char* group;  // "resource / AB-BA"
    std::unique_ptr<kernel> (*make)();
    /// Who is stuck, or what is left, by name. `name?`: may be named, as a consequence or in some
    /// orders alone.
    const char* blamed;
    structure structured = structure::detected;
    method how = method::run;
};

template <class K>
std::unique_ptr<kernel> make() {
    return std::make_unique<K>();
}

using entries = std::vector<entry>;

// From GoBench's suite "GoKer blocking".
[[nodiscard]] entries double_locking();
[[nodiscard]] entries lock_order();
[[nodiscard]] entries channel_use();
[[nodiscard]] entries channel_and_context();
[[nodiscard]] entries channel_and_lock();
// What only a runtime with a kernel below it has.
[[nodiscard]] entries kernel_requests();
[[nodiscard]] entries descriptors();
[[nodiscard]] entries task_scopes();
[[nodiscard]] entries primitives();

/// All of them.
[[nodiscard]] entries suite();    // those of GoBench
[[nodiscard]] entries natives();  // the others

}  // namespace rf::corpus
