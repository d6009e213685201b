// SPDX-License-Identifier: MIT
#include "tests/corpus/report_reader.hpp"

#include <fmt/format.h>

#include <sstream>

namespace rf::corpus {
namespace {

/// Calls `visit(line)` for each line of `text`.
template <class Visit>
void for_each_line(std::string_view text, Visit&& visit) {
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        visit(text.substr(0, end));
        if (end == text.npos) return;
        text.remove_prefix(end + 1);
    }
}

/// Whether `text` has `place`, a file and a line, and no further digit behind it.
bool names_place(std::string_view text, std::string_view place) {
    for (std::size_t at = text.find(place); at != text.npos; at = text.find(place, at + 1)) {
        const std::size_t after = at + place.size();
        if (after == text.size() || text[after] < '0' || text[after] > '9') return true;
    }
    return false;
}

/// What stands between `left` and `right`; empty if they are not there.
std::string_view between(std::string_view text, std::string_view left, std::string_view right) {
    const std::size_t from = text.find(left);
    if (from == text.npos) return {};
    text.remove_prefix(from + left.size());
    const std::size_t to = text.find(right);
    return to == text.npos ? std::string_view() : text.substr(0, to);
}

}  // namespace

report_reader::report_reader(const marks& lines, std::string_view blamed) : lines_(lines) {
    std::istringstream words{std::string(blamed)};
    for (std::string who; words >> who;) {
        const bool must = who.back() != '?';
        if (!must) who.pop_back();
        allowed_.insert(who);
        if (must) required_.insert(who);
    }
    // A join is a consequence of what the children are stuck in.
    allowed_.insert({"main", "program"});
}

std::string report_reader::line_of(const std::string& who) const {
    const auto found = lines_.find(who);
    if (found == lines_.end()) return "(no line marked)";
    return fmt::format("{}:{}", found->second.file_name(), found->second.line() + 1);
}

void report_reader::named(const std::string& who, std::string_view line) {
    seen_.insert(who);
    const std::string wanted = line_of(who);
    if (!allowed_.contains(who))
        wrong_ += fmt::format("names {}, who is not stuck; ", who);
    else if (!names_place(line, wanted))
        wrong_ += fmt::format("names {} with \"{}\" in the place of {}; ", who, line, wanted);
}

void report_reader::wait_report(std::string_view text) {
    bool inside = false;
    bool proof_here = false;
    std::string what;
    std::string who;
    for_each_line(text, [&](std::string_view line) {
        const std::size_t proof = line.find("PROVEN ");
        const std::size_t doubt = line.find("suspect ");
        if (proof != line.npos || doubt == 0) {
            inside = true;
            proof_here = proof != line.npos;
            what = between(line, proof_here ? "PROVEN " : "suspect ", ":");
        } else if (line.find(" behind these and can never go on") != line.npos) {
            inside = true;
            what.clear();
        } else if (!line.starts_with("  ")) {
            inside = false;
        } else if (inside && line.starts_with("  task ")) {
            who = between(line, "\"", "\"");
            // A join that is old is a consequence; the verdict is that on who is to blame.
            if (verdict_.empty() || (required_.contains(who) && !required_.contains(judged_))) {
                if (what.empty()) return;
                verdict_ = what;
                proven_ = proof_here;
                judged_ = who;
            }
        } else if (inside && !who.empty() && line.starts_with("      at ")) {
            named(who, line.substr(9));
            who.clear();
        }
    });
}

void report_reader::ledger_report(std::string_view text) {
    if (text.empty()) return;
    bool named_one = false;
    for (const std::string& who : required_)
        for_each_line(text, [&](std::string_view line) {
            if (!line.starts_with(who) || !names_place(line, line_of(who))) return;
            seen_.insert(who);
            named_one = true;
        });
    if (found() && !named_one) return;
    verdict_ = "ledger";
    proven_ = true;
}

void report_reader::growth_report(std::string_view text) {
    if (text.empty()) return;
    verdict_ = "growth";
    if (names_place(text, line_of("growth"))) seen_.insert("growth");
}

void report_reader::cancel_report(std::string_view text) {
    const std::string_view where = between(text, "cancelled at await ", "): ");
    if (where.empty()) return;
    verdict_ = "left on cancel";
    proven_ = true;
    named("await", where);
}

void report_reader::other_report(std::string_view text) {
    verdict_ = "failure";
    wrong_ += fmt::format("no detector's word: {}; ", text.substr(0, 200));
}

std::string report_reader::wrong() const {
    std::string all = wrong_;
    for (const std::string& who : required_)
        if (found() && !seen_.contains(who))
            all += fmt::format("does not name {} at {}; ", who, line_of(who));
    return all;
}

}  // namespace rf::corpus
