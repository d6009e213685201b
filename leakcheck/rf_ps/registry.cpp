// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/rf_ps/registry.hpp>

#include <ringfence/leakcheck/rf_ps/program_file.hpp>
#include <ringfence/leakcheck/rf_ps/refusal.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace rf::leakcheck::rf_ps {
namespace {

using layout = rf::detail::registry_layout;

constexpr std::size_t loops_max = 4096;
constexpr std::size_t head_bytes = offsetof(layout, loops);  // the same in every version
constexpr std::size_t scanned_bytes_max = 64u << 20;

[[nodiscard]] bool is_table(const memory& of, address at) {
    char magic[sizeof layout::magic];
    return of.read(at, magic, sizeof magic) &&
           std::memcmp(magic, rf_registry.magic, sizeof magic) == 0;
}

// By the symbol, which programs have unless they were stripped.
[[nodiscard]] address find_symbol(const memory& of, const mapping& part) {
    const program_file file(part.file);
    const auto moved = file.moved_by(part);
    if (!moved) return 0;
    const auto symbol = file.symbol("rf_registry");
    return symbol && is_table(of, *symbol + *moved) ? *symbol + *moved : 0;
}

// By what it begins with, in the data of the program.
[[nodiscard]] address find_magic(const memory& of, const mapping& part) {
    constexpr std::size_t step = 64 * 1024;
    char bytes[step];
    const address end = std::min(part.end, part.begin + scanned_bytes_max);
    for (address at = part.begin; at < end; at += step) {
        const std::size_t here = std::min<address>(step, end - at);
        if (!of.read(at, bytes, here)) continue;
        for (std::size_t i = 0; i + sizeof layout::magic <= here; i += alignof(layout))
            if (std::memcmp(bytes + i, rf_registry.magic, sizeof layout::magic) == 0) return at + i;
    }
    return 0;
}

// Of the executable, or of the library as a file of its own.
[[nodiscard]] bool may_hold(const mapping& part, const mapping& first) {
    return part.file == first.file || part.file.find("libringfence") != std::string::npos;
}

[[nodiscard]] address find_table(const memory& of) {
    const auto& all = of.mappings();
    std::string searched;
    for (const mapping& part : all) {
        if (!may_hold(part, all.front()) || part.file == searched) continue;
        searched = part.file;
        try {
            if (const address found = find_symbol(of, part); found != 0) return found;
        } catch (const refusal&) {
            continue;  // the file is gone; its memory is not
        }
    }
    for (const mapping& part : all)
        if (part.writable && may_hold(part, all.front()))
            if (const address found = find_magic(of, part); found != 0) return found;
    return 0;
}

}  // namespace

std::optional<registry> registry::find(const memory& of) {
    const address found = find_table(of);
    if (found == 0) return std::nullopt;
    return registry(of, found);
}

registry::registry(const memory& of, address table) : place_(table) {
    layout read{};
    if (!of.read(table, &read, head_bytes))
        throw refusal(fmt::format("{} cannot be read any more", of.words()));
    if (read.version != layout::version_here || read.bytes != sizeof(layout)) {
        read.library[sizeof read.library - 1] = '\0';
        throw refusal(fmt::format(
            "{} has ringfence {} in it, whose registry is of version {} ({} bytes); this rf-ps is "
            "of ringfence {} and reads version {} ({} bytes): use the rf-ps that came with the "
            "program's ringfence",
            of.words(), read.library, read.version, read.bytes, rf_registry.library,
            layout::version_here, sizeof(layout)));
    }
    if (!of.read(table, &table_, sizeof table_))
        throw refusal(fmt::format("{} cannot be read any more", of.words()));
}

std::vector<address> registry::loops(const memory& of) const {
    std::vector<address> all;
    for (auto at = read_at<address>(of, place_ + offsetof(layout, loops)); at != 0;
         at = read_at<address>(of, at)) {
        if (all.size() == loops_max) throw torn();
        all.push_back(at - table_.loop_live);
    }
    std::ranges::reverse(all);
    return all;
}

std::string read_text(const memory& from, address at, std::size_t most) {
    std::string text;
    if (at == 0) return text;
    while (text.size() < most) {
        // Up to the end of a page, for the next may not be there.
        char bytes[64];
        const std::size_t here = std::min<std::size_t>(sizeof bytes, 64 - at % 64);
        if (!from.read(at, bytes, here)) throw torn();
        const std::string_view part(bytes, std::find(bytes, bytes + here, '\0'));
        for (const char c : part)
            text += static_cast<unsigned char>(c) < ' ' || c == 127 ? '?' : c;
        if (part.size() < here) break;
        at += here;
    }
    if (text.size() > most) text.resize(most);
    return text;
}

}  // namespace rf::leakcheck::rf_ps
