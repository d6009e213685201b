// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/stall_sample.hpp>

#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/detail/slot.hpp>
#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/detail/user_line.hpp>
#include <ringfence/runtime/loop.hpp>

#include <fmt/format.h>

#include <cstdlib>
#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <iterator>
#include <memory>
#include <span>
#include <string_view>

namespace rf::leakcheck::detail {
namespace {

std::string_view file_of(const char* path) {
    const std::string_view whole(path);
    return whole.substr(whole.rfind('/') + 1);
}

/// Name of the function where the program knows it (linked with -rdynamic, or in a shared library),
/// and always what addr2line asks for: the file and the place in it.
void append_native(std::string& text, const void* address) {
    auto out = std::back_inserter(text);
    Dl_info found{};
    if (::dladdr(address, &found) == 0 || found.dli_fname == nullptr) {
        fmt::format_to(out, "      {}\n", address);
        return;
    }
    const auto place =
        static_cast<const char*>(address) - static_cast<const char*>(found.dli_fbase);
    fmt::format_to(out, "      {}+{:#x}", file_of(found.dli_fname), place);
    if (found.dli_sname != nullptr) {
        int status = 0;
        const std::unique_ptr<char, void (*)(void*)> readable(
            abi::__cxa_demangle(found.dli_sname, nullptr, nullptr, &status), std::free);
        fmt::format_to(out, " in {}",
                       rf::detail::short_name(status == 0 ? readable.get() : found.dli_sname));
    }
    text += '\n';
}

}  // namespace

void stall_sample::prepare() noexcept {
    // The first call loads the unwinder, with malloc and dlopen; no later one does.
    void* none[2];
    (void)::backtrace(none, 2);
}

void stall_sample::take(int skip) noexcept {
    native_skip = skip;
    task = 0;
    frames_count = events_count = 0;
    if (const loop* owner = rf::detail::slot.owner; owner != nullptr) {
        taken = owner->cached_now();
        if (const flight_recorder* flight = owner->flight(); flight != nullptr) {
            events_noted = flight->noted();
            events_count = flight->copy_last(events);
        }
    }
    native_count = ::backtrace(native, static_cast<int>(frames_max));
    const rf::detail::task_record* running = rf::detail::slot.current;
    if (running == nullptr) return;
    task = running->id;
    spawned = running->spawned();
    std::size_t length = 0;
    if (const char* text = running->name(); text != nullptr)
        for (; length + 1 < name_max && text[length] != '\0'; ++length)
            name[length] = text[length];
    name[length] = '\0';
    for (const rf::detail::frame* f = running->leaf; f != nullptr && frames_count < frames_max;
         f = f->parent()) {
        lines[frames_count] = f->at;
        functions[frames_count++] = f->created().function_name();
    }
}

std::string stall_sample::task_text() const {
    if (task == 0) return "no task";
    std::string text = fmt::format("task {}", task);
    if (name[0] != '\0') text += fmt::format(" \"{}\"", name);
    return text + fmt::format(" (spawned at {})", rf::detail::to_string(spawned));
}

std::string stall_sample::events_text() const {
    return describe_events(std::span(events).first(events_count), events_noted, taken);
}

std::string stall_sample::stacks_text() const {
    std::string text;
    auto out = std::back_inserter(text);
    bool innermost = true;
    for (std::size_t i = 0; i < frames_count; ++i) {
        const std::source_location& line = lines[i];
        if (line.line() != 0 && rf::detail::is_library_line(line)) continue;
        const std::string_view function = rf::detail::short_name(functions[i]);
        // The innermost frame runs: it is somewhere behind its last co_await.
        if (line.line() == 0)
            fmt::format_to(out, "    in {}, before its first co_await\n", function);
        else
            fmt::format_to(out, "    {} {} in {}\n", innermost ? "after" : "at",
                           rf::detail::to_string(line), function);
        innermost = false;
    }
    if (native_count > native_skip) fmt::format_to(out, "    on the thread:\n");
    for (int i = native_skip; i < native_count; ++i)
        append_native(text, native[i]);
    return text;
}

}  // namespace rf::leakcheck::detail
