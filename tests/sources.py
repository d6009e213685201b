#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes what follows from which files exist: the lists in every meson.build and the umbrella header.

Each list is explicit, sorted and one file a line, so that a reader and Meson see it; this program
only saves typing it. `--check` changes nothing and fails if a list is out of date.

Where a file belongs follows from its place:
  <module>/**.cpp, .hpp               library sources; headers installed, detail/ included
  leakcheck/rf_ps/*                   a program of its own, with a meson.build of its own
  tests/<module>/*_test.cpp           one doctest executable for the folder
  tests/<module>/*.cpp                linked into that executable
  tests/<folder without tests>/*.cpp  linked into every test executable
  tests/<module>/*_test.py            programs; told by environment where executables are
  tests/*_test.py                     checks of the tree itself
  tests/death, conformance, compile_fail   see docs/hacking.md
  examples/<name>.cpp or <name>/*.cpp  one executable
  bench/<name>_bench.cpp or <name>/*.cpp  one executable called <name>
  tests/<name>/*.cpp without tests    linked into the bench of that name too
  bench/<other>.cpp                   stated in bench/meson.build by hand
  bench/<name>/peers/*                nothing: the bench builds it where it can, when it runs
"""

import argparse
import pathlib
import re
import sys

MODULES = ["runtime", "io", "sync", "leakcheck"]
PROGRAM_FOLDERS = ["leakcheck/rf_ps"]  # in a module, and no part of the library
TEST_FOLDERS_SPECIAL = {"await_lint", "compile_fail", "conformance", "death", "install"}
BEGIN = "# Written by ./dev sources, from here ..."
END = "# ... to here."


def files_below(folder, *suffixes):
    """Paths below `folder`, relative to it, sorted."""
    if not folder.is_dir():
        return []
    found = (path for path in folder.rglob("*") if path.suffix in suffixes and path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found
                  if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def quoted(names, indent):
    return "".join(f"{indent}'{name}',\n" for name in names)


def file_list(variable, names):
    body = f"\n{quoted(names, '    ')}" if names else ""
    return f"{variable} = files({body})\n"


def name_list(variable, names):
    body = f"\n{quoted(names, '    ')}" if names else ""
    return f"{variable} = [{body}]\n"


def file_table(variable, table):
    rows = "".join(f"    '{key}': files(\n{quoted(table[key], '        ')}    ),\n"
                   for key in sorted(table))
    return f"{variable} = {{\n{rows}}}\n" if rows else f"{variable} = {{}}\n"


def library_files(root, module, suffix):
    """Paths below the module's folder, relative to it, that are the library's."""
    return [path for path in files_below(root / module, suffix)
            if not any(f"{module}/{path}".startswith(f"{folder}/") for folder in PROGRAM_FOLDERS)]


def module_lists(root, module):
    return [
        file_list(f"{module}_sources", library_files(root, module, ".cpp")),
        name_list(f"{module}_headers", library_files(root, module, ".hpp")),
    ]


def programs(root, folder, ending):
    """Executable name -> its sources: a single file with that ending, or a folder of files."""
    table = {}
    for path in files_below(root / folder, ".cpp"):
        head, _, rest = path.partition("/")
        if rest.startswith("peers/"):
            continue
        if rest:
            table.setdefault(head, []).append(path)
        elif path.endswith(ending):
            table.setdefault(path[: -len(ending)], []).append(path)
    return table


def bench_programs(root):
    """programs(), and for a bench that is called as a folder of tests what those are made of."""
    table = programs(root, "bench", "_bench.cpp")
    for name, paths in table.items():
        shared = files_below(root / "tests" / name, ".cpp")
        paths += [f"../tests/{name}/{path}" for path in shared if not path.endswith("_test.cpp")]
        paths.sort()
    return table


def has_thread_suite(path):
    return re.search(r'TEST_SUITE(?:_BEGIN)?\(\s*"[^"]*threads', path.read_text()) is not None


def test_lists(root):
    tests = root / "tests"
    by_folder = {}
    for path in files_below(tests, ".cpp"):
        by_folder.setdefault(path.rpartition("/")[0].partition("/")[0], []).append(path)

    def special(name):
        return by_folder.get(name, [])

    ordinary = {name: paths for name, paths in by_folder.items()
                if name and name not in TEST_FOLDERS_SPECIAL}
    unit = {name: paths for name, paths in ordinary.items()
            if any(path.endswith("_test.cpp") for path in paths)}
    threads = {}
    for name, paths in unit.items():
        chosen = [path for path in paths
                  if not path.endswith("_test.cpp") or has_thread_suite(tests / path)]
        if any(path.endswith("_test.cpp") for path in chosen):
            threads[name] = chosen
    support = [path for name in sorted(ordinary) if name not in unit for path in ordinary[name]]
    scripts = [path for path in files_below(tests, ".py") if path.endswith("_test.py")]
    return [
        "# One doctest executable per folder.\n" + file_table("unit_sources", unit),
        "# Of these, the files with a test suite named \"... threads\".\n"
        + file_table("threads_sources", threads),
        "# Linked into every test executable.\n" + file_list("support_sources", support),
        file_list("death_sources", special("death")),
        name_list("conformance_sources", special("conformance")),
        file_list("compile_fail_sources", special("compile_fail")),
        name_list("program_scripts", [path for path in scripts if "/" in path]),
        name_list("tree_scripts", [path for path in scripts if "/" not in path]),
    ]


def umbrella(root):
    """Every public header; one that says `// umbrella: no` with its reason is left out."""
    lines = []
    for module in MODULES:
        for header in library_files(root, module, ".hpp"):
            if "detail" in header.split("/"):
                continue
            if "// umbrella: no" in (root / module / header).read_text():
                continue
            lines.append(f"#include <ringfence/{module}/{header}>\n")
    return ("// SPDX-License-Identifier: MIT\n#pragma once\n\n"
            "/// All of ringfence. Written by `./dev sources`; a program that wants less includes the\n"
            "/// headers it names.\n\n" + "".join(sorted(lines)))


def with_lists(text, lists):
    """`text` with the part between the marks replaced."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"sources: a meson.build lacks its marks '{BEGIN}' and '{END}'")
    return f"{head}{BEGIN}\n" + "\n".join(lists) + f"{END}{tail}"


def wanted(root):
    """Path -> text that it should hold."""
    lists = {module: module_lists(root, module) for module in MODULES}
    for folder in PROGRAM_FOLDERS:
        name = folder.rpartition("/")[2]
        lists[folder] = [file_list(f"{name}_sources", files_below(root / folder, ".cpp"))]
    lists["tests"] = test_lists(root)
    lists["examples"] = [file_table("example_sources", programs(root, "examples", ".cpp"))]
    lists["bench"] = [file_table("bench_sources", bench_programs(root))]
    result = {}
    for folder, parts in lists.items():
        path = root / folder / "meson.build"
        if path.exists():
            result[path] = with_lists(path.read_text(), parts)
    result[root / "include/ringfence/ringfence.hpp"] = umbrella(root)
    return result


def outdated(root):
    """Paths, relative to `root`, whose text is not what it should be."""
    return [path.relative_to(root).as_posix() for path, text in wanted(root).items()
            if not path.exists() or path.read_text() != text]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail if out of date")
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    options = parser.parse_args()
    stale = outdated(options.root)
    if options.check:
        for path in stale:
            print(f"{path}: out of date; run ./dev sources")
        return 1 if stale else 0
    texts = wanted(options.root)
    for path in stale:
        target = options.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(texts[target])
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
