// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/replay_token.hpp>

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <link.h>
#include <vector>

// A token is the mark of the build, a dash, a letter for the mode, and fields with an underscore
// between them, which no token of choices contains: decisions, steps, changes, point.
// Empty fields at the end are left out.

namespace rf::leakcheck {
namespace {

constexpr std::string_view letters = "nrpd";

/// What was loaded of the program and cannot be written to: its code and its constants.
/// The gaps between its objects are read too, which address sanitizers would not have.
using any_word [[gnu::may_alias]] = std::uint64_t;
[[gnu::no_sanitize_address]] int hash_program(dl_phdr_info* info, std::size_t, void* out) {
    auto& hash = *static_cast<std::uint64_t*>(out);
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const auto& part = info->dlpi_phdr[i];
        if (part.p_type != PT_LOAD || (part.p_flags & PF_W) != 0 || (part.p_flags & PF_R) == 0)
            continue;
        const std::uintptr_t first = (info->dlpi_addr + part.p_vaddr + 7) / 8 * 8;
        const std::uintptr_t last = info->dlpi_addr + part.p_vaddr + part.p_filesz;
        for (std::uintptr_t at = first; at + 8 <= last; at += 8) {
            hash = (hash ^ *reinterpret_cast<const any_word*>(at)) * 0x9e37'79b9'7f4a'7c15U;
            hash ^= hash >> 29;
        }
    }
    return 1;  // the program itself comes first; the libraries are not asked
}

std::string make_mark() {
    std::uint64_t hash = 0x5eed;
    (void)::dl_iterate_phdr(&hash_program, &hash);
    return fmt::format("{:08x}", static_cast<std::uint32_t>(hash ^ (hash >> 32)));
}

std::vector<std::string_view> fields_of(std::string_view text) {
    std::vector<std::string_view> fields;
    for (;;) {
        const auto end = text.find('_');
        fields.push_back(text.substr(0, end));
        if (end == text.npos) return fields;
        text.remove_prefix(end + 1);
    }
}

bool read_number(std::string_view text, std::uint32_t& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

const std::string& build_mark() {
    static const std::string mark = make_mark();
    return mark;
}

std::string replay_token::text() const {
    std::string made =
        fmt::format("{}-{}{}", build_mark(), letters[static_cast<std::size_t>(mode)], decisions);
    if (steps == 0 && changes == 0 && point.empty()) return made;
    made += fmt::format("_{}_{}", steps, changes);
    if (!point.empty()) made += "_" + point;
    return made;
}

replay_token replay_token::parse(std::string_view text, std::string& refusal) {
    const auto malformed = [&] {
        refusal = fmt::format("\"{}\" is no replay token; copy the whole word that the failing run "
                              "printed, as in {}-rs7f",
                              text, build_mark());
        return replay_token();
    };
    if (text.size() < 10 || text[8] != '-') return malformed();
    if (text.substr(0, 8).find_first_not_of("0123456789abcdef") != text.npos) return malformed();
    const auto mode = letters.find(text[9]);
    if (mode == letters.npos) return malformed();
    const auto fields = fields_of(text.substr(10));
    replay_token made;
    made.mode = static_cast<explore>(mode);
    made.decisions = fields[0];
    if (fields.size() == 2 || fields.size() > 4 || !choices::from_token(made.decisions))
        return malformed();
    if (fields.size() > 2 &&
        (!read_number(fields[1], made.steps) || !read_number(fields[2], made.changes)))
        return malformed();
    if (fields.size() == 4) made.point = fields[3];
    if (text.substr(0, 8) != build_mark())
        refusal =
            fmt::format("the replay token \"{}\" is of another build than this program ({}), "
                        "where it would lead to another run; explore again to get one of this "
                        "build",
                        text, build_mark());
    return made;
}

}  // namespace rf::leakcheck
