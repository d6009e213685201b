// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/rf_ps/program_file.hpp>

#include <ringfence/leakcheck/rf_ps/refusal.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rf::leakcheck::rf_ps {
namespace {

#if defined(__x86_64__)
constexpr auto machine_here = EM_X86_64;
#elif defined(__aarch64__)
constexpr auto machine_here = EM_AARCH64;
#else
constexpr auto machine_here = EM_NONE;  // no file is known
#endif

}  // namespace

open_file::open_file(const std::string& path)
    : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) {
    if (fd_ < 0) throw refusal(fmt::format("cannot open {}: {}", path, std::strerror(errno)));
    struct stat about{};
    if (::fstat(fd_, &about) == 0 && S_ISREG(about.st_mode))
        size_ = static_cast<std::uint64_t>(about.st_size);
}

open_file::~open_file() { ::close(fd_); }

bool open_file::read(std::uint64_t offset, void* into, std::size_t bytes) const {
    if (offset > size_ || bytes > size_ - offset) return false;
    auto* at = static_cast<char*>(into);
    while (bytes != 0) {
        const ssize_t got = ::pread(fd_, at, bytes, static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += got;
        offset += static_cast<std::uint64_t>(got);
        bytes -= static_cast<std::size_t>(got);
    }
    return true;
}

program_file::program_file(const std::string& path) : file_(path) {
    Elf64_Ehdr header{};
    if (!file_.read(0, &header, sizeof header)) return;
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != machine_here ||
        header.e_phentsize != sizeof(Elf64_Phdr))
        return;
    header_ = header;
    std::uint64_t count = header.e_phnum;
    if (count == PN_XNUM) {  // a core with more segments than that number can hold
        const auto first = file_.read_all<Elf64_Shdr>(header.e_shoff, 1);
        count = first.empty() ? 0 : first[0].sh_info;
    }
    segments_ = file_.read_all<Elf64_Phdr>(header.e_phoff, count);
}

std::optional<std::uint64_t> program_file::symbol(std::string_view name) const {
    if (!is_elf() || header_.e_shentsize != sizeof(Elf64_Shdr)) return std::nullopt;
    const auto sections = file_.read_all<Elf64_Shdr>(header_.e_shoff, header_.e_shnum);
    for (const Elf64_Shdr& table : sections) {
        if (table.sh_type != SHT_SYMTAB && table.sh_type != SHT_DYNSYM) continue;
        if (table.sh_entsize != sizeof(Elf64_Sym) || table.sh_link >= sections.size()) continue;
        const Elf64_Shdr& strings = sections[table.sh_link];
        const auto names = file_.read_all<char>(strings.sh_offset, strings.sh_size);
        for (const Elf64_Sym& one :
             file_.read_all<Elf64_Sym>(table.sh_offset, table.sh_size / sizeof(Elf64_Sym))) {
            if (ELF64_ST_TYPE(one.st_info) != STT_OBJECT || one.st_shndx == SHN_UNDEF) continue;
            if (one.st_name >= names.size() || names.size() - one.st_name <= name.size()) continue;
            const char* at = names.data() + one.st_name;
            if (at[name.size()] == '\0' && name == std::string_view(at, name.size()))
                return one.st_value;
        }
    }
    return std::nullopt;
}

std::optional<std::uint64_t> program_file::moved_by(const mapping& part) const {
    constexpr std::uint64_t page = 4095;  // segments are at least so far from each other
    for (const Elf64_Phdr& segment : segments_)
        if (segment.p_type == PT_LOAD && (segment.p_offset & ~page) == part.offset)
            return part.begin - (segment.p_vaddr & ~page);
    return std::nullopt;
}

}  // namespace rf::leakcheck::rf_ps
