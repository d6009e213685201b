#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that programs which must not compile do not, and that they fail for the stated reason.

usage: compile_fail.py -- <compiler and its flags> -- <sources>

Each source holds one or more lines `// expect: <regular expression>`, every one of which must match
the compiler's output (`// expect gcc:` and `// expect clang:` ask one compiler only). Compiled with
-DRF_FIXED it must be accepted, which proves that nothing but the mistake is wrong with it.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

EXPECT = re.compile(r"//\s*expect(?:\s+(gcc|clang))?:\s*(.+?)\s*$", re.MULTILINE)
FLAGS = ["-fsyntax-only", "-fdiagnostics-color=never", "-Wall", "-Wextra", "-Werror=unused-result",
         "-Werror=unused-value"]


def split_arguments(arguments):
    groups = [[]]
    for argument in arguments:
        if argument == "--":
            groups.append([])
        else:
            groups[-1].append(argument)
    if len(groups) != 3 or not groups[1]:
        raise SystemExit(__doc__)
    return groups[1], groups[2]


def compiler_name(compiler):
    version = subprocess.run([*compiler, "--version"], capture_output=True, text=True).stdout
    return "clang" if "clang" in version else "gcc"


def complaint(compiler, name, source):
    """What is wrong with the outcome for `source`; empty if nothing is."""
    expected = [pattern for only, pattern in EXPECT.findall(pathlib.Path(source).read_text())
                if only in ("", name)]
    if not expected:
        return f"has no `// expect: ...` line for {name}"
    broken = subprocess.run([*compiler, *FLAGS, source], capture_output=True, text=True)
    output = broken.stdout + broken.stderr
    if broken.returncode == 0:
        return "compiles and must not"
    for pattern in expected:
        if not re.search(pattern, output):
            return f"fails, but not with /{pattern}/:\n{output}"
    fixed = subprocess.run([*compiler, *FLAGS, "-DRF_FIXED", source], capture_output=True, text=True)
    if fixed.returncode != 0:
        return f"must compile with -DRF_FIXED and does not:\n{fixed.stdout}{fixed.stderr}"
    return ""


def main():
    compiler, sources = split_arguments(sys.argv[1:])
    name = compiler_name(compiler)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = pool.map(lambda source: complaint(compiler, name, source), sources)
        for source, text in zip(sources, complaints):
            if text:
                failed += 1
                print(f"{source}: {text}")
    print(f"{len(sources) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
