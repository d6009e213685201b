#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the shape of the tree: what each rule asks is its docstring. tidy_test.py breaks each one.

One line may be exempted with a comment on it: `tidy: ok, <reason>`.
"""

import argparse
import pathlib
import re
import sys

import sources

LINES_MAX = 400
CODE = {".cpp", ".hpp", ".c", ".h"}
TEXT = CODE | {".py", ".md", ".build", ".txt", ".sh", ".cmake", ".in", ".yml", ""}
OUTSIDE = {".git", "build", "subprojects", "__pycache__", ".cache"}

# Module -> modules whose headers it may include besides its own. Everything else is a leaf: tests,
# examples and benches may include all, and nobody includes them.
LADDER = {"runtime": set(), "io": {"runtime"}, "sync": {"runtime"}, "leakcheck": {"runtime"}}

NAMES_FORBIDDEN = {"util", "utils", "utility", "utilities", "common", "helper", "helpers", "misc"}
HOME_FOLDERS = ("home", "root", "Users", "work", "mnt")


class Tree:
    """The text files of the project, read once."""

    def __init__(self, root):
        self.root = root
        self.texts = {}
        for path in sorted(root.rglob("*")):
            relative = path.relative_to(root)
            if OUTSIDE & set(relative.parts) or path.is_symlink() or not path.is_file():
                continue
            if any((root / parent / "build.ninja").exists() for parent in list(relative.parents)[:-1]):
                continue  # somebody's build, whatever its name
            if relative.parts[:2] == ("include", "ringfence") and len(relative.parts) > 3:
                continue  # reached through a link
            if path.suffix in TEXT:
                try:
                    self.texts[relative.as_posix()] = path.read_text()
                except UnicodeDecodeError:
                    continue
        self.allowed = self.read_allowed()

    def read_allowed(self):
        allowed = {}
        for line in self.texts.get("tests/tidy_allow.txt", "").splitlines():
            path, _, reason = line.partition(":")
            if path.strip() and not path.startswith("#"):
                allowed[path.strip()] = reason.strip()
        return allowed

    def paths(self, *suffixes, within=None):
        return [path for path in self.texts
                if pathlib.PurePath(path).suffix in suffixes
                and (within is None or path.split("/")[0] in within)]

    def public_headers(self):
        return [path for path in self.paths(".hpp", within=sources.MODULES)
                if "detail" not in path.split("/")]

    def lines(self, path):
        """(number, line) of what is not exempted."""
        for number, line in enumerate(self.texts[path].splitlines(), 1):
            if not re.search(r"tidy: ok, \S", line):
                yield number, line

    def includes(self, path):
        """(number, quote or angle, included name)."""
        for number, line in self.lines(path):
            found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if found:
                yield number, found[1], found[2]


def ladder(tree):
    """runtime uses nothing of ours; io, sync and leakcheck use runtime."""
    for path in tree.paths(*CODE, within=LADDER):
        module = path.split("/")[0]
        for number, _, name in tree.includes(path):
            if not name.startswith("ringfence/"):
                continue
            target = name.split("/", 1)[1]
            used = target.split("/")[0]
            if used == module or used in LADDER[module]:
                continue
            yield f"{path}:{number}: {module} must not include {name}"


def include_spelling(tree):
    """Ours is <ringfence/module/file.hpp>; a quoted name is for tests, examples and benches: from the
    top of the tree, or beside the file."""
    for path in tree.paths(*CODE):
        for number, quote, name in tree.includes(path):
            if ".." in name.split("/"):
                yield f"{path}:{number}: relative include {name}"
            elif quote == '"' and path.split("/")[0] in LADDER:
                yield f'{path}:{number}: write <ringfence/...>, not "{name}"'
            elif quote == '"' and name not in tree.texts and \
                    (pathlib.PurePath(path).parent / name).as_posix() not in tree.texts:
                yield f'{path}:{number}: "{name}" is neither a path from the top nor beside the file'


def include_cycles(tree):
    """No header includes itself through others."""
    edges = {path: [name.split("/", 1)[1] for _, _, name in tree.includes(path)
                    if name.startswith("ringfence/")]
             for path in tree.paths(".hpp", within=LADDER)}
    state = {}

    def visit(path, trail):
        state[path] = "open"
        for target in edges.get(path, []):
            if state.get(target) == "open":
                yield " -> ".join(trail[trail.index(target):] + [target]) + ": include cycle"
            elif target not in state:
                yield from visit(target, trail + [target])
        state[path] = "closed"

    for path in edges:
        if path not in state:
            yield from visit(path, [path])


def header_guard(tree):
    """Each header says #pragma once before anything but comments."""
    for path in tree.paths(".hpp", ".h"):
        code = re.sub(r"//[^\n]*|/\*.*?\*/", "", tree.texts[path], flags=re.DOTALL).strip()
        if not code.startswith("#pragma once"):
            yield f"{path}:1: #pragma once must come first"


def licence_line(tree):
    """Each source names its licence in the first line, or the second after #!."""
    for path in tree.paths(*CODE, ".py", ".build", ".sh") + ["dev", ".ci/run"]:
        if path in tree.texts and "SPDX-License-Identifier: MIT" not in \
                "".join(tree.texts[path].splitlines()[:2]):
            yield f"{path}:1: no SPDX-License-Identifier: MIT"


def contract_comment(tree):
    """Each public header explains itself with a /// comment."""
    for path in tree.public_headers():
        if not re.search(r"^\s*/// \S", tree.texts[path], re.MULTILINE):
            yield f"{path}:1: a public header without a /// contract"


def file_length(tree):
    """At most 400 lines of code in a file, or a line `path: reason` in tests/tidy_allow.txt."""
    for path in tree.paths(*CODE, ".py") + ["dev"]:
        length = len(tree.texts.get(path, "").splitlines())
        if length > LINES_MAX and not tree.allowed.get(path):
            yield f"{path}:{length}: {length} lines; look for the second concept in it"
    for path in tree.allowed:
        if len(tree.texts.get(path, "").splitlines()) <= LINES_MAX:
            yield f"tests/tidy_allow.txt: {path} needs no exemption"


def no_sleep(tree):
    """A test forces its order; it never sleeps in real time."""
    sleeps = re.compile(r"this_thread::sleep_|(?<![\w:.])(?:::)?(?:u|nano|clock_nano)?sleep\s*\(|time\.sleep\(")
    for path in tree.paths(*CODE, ".py", within={"tests"}):
        for number, line in tree.lines(path):
            if sleeps.search(re.sub(r'"[^"]*"', '""', line).split("//")[0]):
                yield f"{path}:{number}: a test that sleeps"


def names(tree):
    """No file or folder is a drawer: util, common, helpers, misc."""
    for path in tree.texts:
        words = set(re.split(r"[/_.\-]", path.lower()))
        for word in sorted(words & NAMES_FORBIDDEN):
            yield f"{path}:1: '{word}' says nothing; name the file after what it does"


def lists(tree):
    """The lists in the meson.build files and the umbrella header name the files that exist."""
    for path in sources.outdated(tree.root):
        yield f"{path}:1: out of date; run ./dev sources"


def include_links(tree):
    """include/ringfence/<module> is a link to the module's folder, and nothing else is there."""
    folder = tree.root / "include/ringfence"
    for module in sources.MODULES:
        link = folder / module
        if not link.is_symlink() or link.readlink().as_posix() != f"../../{module}":
            yield f"include/ringfence/{module}:1: must be a link to ../../{module}"
    for path in folder.iterdir() if folder.is_dir() else []:
        if path.name not in [*sources.MODULES, "ringfence.hpp"]:
            yield f"include/ringfence/{path.name}:1: does not belong here"


def machine_paths(tree):
    """Nothing names a folder of somebody's machine."""
    folder = re.compile(r"(?<![\w./}$-])/(?:" + "|".join(HOME_FOLDERS) + r")/[\w.-]")
    for path in tree.texts:
        for number, line in tree.lines(path):
            if folder.search(line):
                yield f"{path}:{number}: names a path of one machine"


def examples_tested(tree):
    """Each example is run by some test."""
    texts = [text for path, text in tree.texts.items()
             if path.startswith("tests/") and re.search(r"_test\.(py|cpp)$", path)]
    for name in sources.programs(tree.root, "examples", ".cpp"):
        if not any(re.search(rf"\b{re.escape(name)}\b", text) for text in texts):
            yield f"examples/{name}:1: no test runs it"


def whitespace(tree):
    """No tabs, trailing blanks or missing last newline."""
    for path, text in tree.texts.items():
        if text and not text.endswith("\n"):
            yield f"{path}:{len(text.splitlines())}: no newline at the end"
        for number, line in tree.lines(path):
            if line != line.rstrip() or "\t" in line:
                yield f"{path}:{number}: tab or trailing blank"


def conflict_markers(tree):
    """No merge is half done."""
    for path in tree.texts:
        for number, line in tree.lines(path):
            if re.match(r"(<{7}|>{7}|\|{7}) ", line):
                yield f"{path}:{number}: the marker of a merge conflict"


RULES = [ladder, include_spelling, include_cycles, header_guard, licence_line, contract_comment,
         file_length, no_sleep, names, lists, include_links, machine_paths, examples_tested,
         whitespace, conflict_markers]


def findings(root):
    """(rule's name, message) of everything wrong below `root`."""
    tree = Tree(root)
    return [(rule.__name__, message) for rule in RULES for message in rule(tree)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    found = findings(parser.parse_args().root.resolve())
    for rule, message in found:
        print(f"{message} [{rule}]")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
