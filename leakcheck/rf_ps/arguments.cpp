// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/rf_ps/arguments.hpp>

#include <charconv>
#include <string_view>

namespace rf::leakcheck::rf_ps {

const char usage[] =
    "usage: rf-ps                                        processes with ringfence\n"
    "       rf-ps [--tree] <pid>                         tasks of one\n"
    "       rf-ps [--tree] --core <file> [--exe <file>]  tasks that a core shows\n"
    "       rf-ps --help | --version\n";

std::optional<arguments> read_arguments(int count, char** words) {
    arguments asked;
    for (int i = 1; i < count; ++i) {
        const std::string_view word(words[i]);
        std::string* value = word == "--core"  ? &asked.core
                             : word == "--exe" ? &asked.executable
                                               : nullptr;
        if (value != nullptr) {
            ++i;
            if (i == count || words[i][0] == '\0') return std::nullopt;
            *value = words[i];
        } else if (word == "--tree") {
            asked.tree = true;
        } else if (word == "--help" || word == "-h") {
            asked.help = true;
        } else if (word == "--version") {
            asked.version = true;
        } else {
            pid_t pid = 0;
            const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), pid);
            if (error != std::errc() || end != word.data() + word.size() || pid <= 0 ||
                asked.process)
                return std::nullopt;
            asked.process = pid;
        }
    }
    const bool one = asked.process.has_value() != !asked.core.empty();
    if (asked.process && !asked.core.empty()) return std::nullopt;
    if (!asked.executable.empty() && asked.core.empty()) return std::nullopt;
    if (asked.tree && !one) return std::nullopt;
    return asked;
}

}  // namespace rf::leakcheck::rf_ps
