// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/rf_ps/core_file.hpp>

#include <ringfence/leakcheck/rf_ps/refusal.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace rf::leakcheck::rf_ps {
namespace {

constexpr std::uint64_t notes_bytes_max = 256u << 20;

[[nodiscard]] std::uint64_t word_at(const std::vector<char>& bytes, std::uint64_t offset) {
    std::uint64_t word = 0;
    if (offset <= bytes.size() && bytes.size() - offset >= sizeof word)
        std::memcpy(&word, bytes.data() + offset, sizeof word);
    return word;
}

}  // namespace

core_file::core_file(const std::string& path, const std::string& executable)
    : core_(path), words_("core file " + path) {
    if (!core_.is_core())
        throw refusal(fmt::format("{} is not a core file of this kind of machine", path));
    std::uint64_t whole = 0;
    for (const Elf64_Phdr& segment : core_.segments())
        whole = std::max(whole, segment.p_offset + segment.p_filesz);
    if (core_.segments().empty() || whole > core_.bytes().size())
        throw refusal(fmt::format("{} is cut short: it has {} of {} bytes; raise `ulimit -c`, or "
                                  "make room where cores are written, and have it written anew",
                                  words_, core_.bytes().size(), whole));
    for (const Elf64_Phdr& segment : core_.segments()) {
        if (segment.p_type == PT_NOTE) read_notes(segment);
        if (segment.p_type == PT_LOAD && segment.p_filesz != 0)
            dumped_.emplace(segment.p_vaddr, segment);
    }
    put_executable_first(executable);
    check_executable();
}

void core_file::read_notes(const Elf64_Phdr& segment) {
    const auto notes =
        core_.bytes().read_all<char>(segment.p_offset, std::min(segment.p_filesz, notes_bytes_max));
    const auto padded = [](std::uint64_t bytes) { return (bytes + 3) & ~std::uint64_t{3}; };
    for (std::uint64_t at = 0; at + sizeof(Elf64_Nhdr) <= notes.size();) {
        Elf64_Nhdr header;
        std::memcpy(&header, notes.data() + at, sizeof header);
        const std::uint64_t begin = at + sizeof header + padded(header.n_namesz);
        const std::uint64_t end = begin + header.n_descsz;
        if (end > notes.size()) return;
        const std::vector<char> note(notes.begin() + static_cast<std::ptrdiff_t>(begin),
                                     notes.begin() + static_cast<std::ptrdiff_t>(end));
        if (header.n_type == NT_FILE) read_mapped_files(note);
        if (header.n_type == NT_AUXV)
            for (std::uint64_t pair = 0; pair < note.size(); pair += 16)
                if (word_at(note, pair) == AT_PHDR) program_headers_ = word_at(note, pair + 8);
        at = begin + padded(header.n_descsz);
    }
}

// The kernel's: count and page size, then begin, end and offset in pages of each, then their names.
void core_file::read_mapped_files(const std::vector<char>& note) {
    const std::uint64_t count = word_at(note, 0);
    const std::uint64_t page = word_at(note, 8);
    if (count > note.size() / 24) return;
    std::uint64_t name = 16 + count * 24;
    for (std::uint64_t i = 0; i < count && name < note.size(); ++i) {
        const std::string_view rest(note.data() + name, note.size() - name);
        const std::uint64_t row = 16 + i * 24;
        mapping one;
        one.begin = word_at(note, row);
        one.end = word_at(note, row + 8);
        one.offset = word_at(note, row + 16) * page;
        one.file = rest.substr(0, rest.find('\0'));
        name += one.file.size() + 1;
        for (const Elf64_Phdr& segment : core_.segments())
            if (segment.p_type == PT_LOAD && segment.p_vaddr == one.begin)
                one.writable = (segment.p_flags & PF_W) != 0;
        mappings_.push_back(std::move(one));
    }
}

void core_file::put_executable_first(const std::string& executable) {
    const auto holds = [&](const mapping& one) {
        return one.begin <= program_headers_ && program_headers_ < one.end;
    };
    const auto found = std::ranges::find_if(mappings_, holds);
    if (found == mappings_.end())
        throw refusal(fmt::format("{} does not say which program it is of", words_));
    const std::string was = found->file;
    put_first(mappings_, was);
    words_ += fmt::format(" of {}", was);
    for (mapping& one : mappings_)
        if (one.file == was && !executable.empty()) one.file = executable;
}

// Its first page is in the core, with the number that the linker gave to the build.
void core_file::check_executable() const {
    const mapping& program = mappings_.front();
    char dumped[4096];
    if (!read_dumped(program.begin, dumped, sizeof dumped)) return;
    char now[sizeof dumped];
    try {
        const open_file file(program.file);
        if (file.read(program.offset, now, sizeof now) && std::memcmp(dumped, now, sizeof now) == 0)
            return;
    } catch (const refusal& why) {
        throw refusal(fmt::format("{}; name the program that crashed with --exe", why.what()));
    }
    throw refusal(fmt::format("{} is of another build than {} is now: name the program that "
                              "crashed with --exe",
                              words_, program.file));
}

bool core_file::read(address from, void* into, std::size_t bytes) const {
    return read_dumped(from, into, bytes) || read_mapped(from, into, bytes);
}

bool core_file::read_dumped(address from, void* into, std::size_t bytes) const {
    const auto after = dumped_.upper_bound(from);
    if (after == dumped_.begin()) return false;
    const Elf64_Phdr& segment = std::prev(after)->second;
    const std::uint64_t offset = from - segment.p_vaddr;
    if (offset > segment.p_filesz) return false;
    const std::uint64_t here = std::min<std::uint64_t>(bytes, segment.p_filesz - offset);
    if (here == 0 || !core_.bytes().read(segment.p_offset + offset, into, here)) return false;
    // What is asked for may reach over the end of a segment into the next.
    return here == bytes || read(from + here, static_cast<char*>(into) + here, bytes - here);
}

bool core_file::read_mapped(address from, void* into, std::size_t bytes) const {
    for (const mapping& one : mappings_) {
        if (from < one.begin || from >= one.end || bytes > one.end - from) continue;
        auto [place, is_new] = files_.try_emplace(one.file);
        if (is_new) {
            try {
                place->second = std::make_unique<open_file>(one.file);
            } catch (const refusal&) {
                continue;
            }
        }
        return place->second != nullptr &&
               place->second->read(one.offset + (from - one.begin), into, bytes);
    }
    return false;
}

}  // namespace rf::leakcheck::rf_ps
