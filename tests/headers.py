#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles each header of the library alone, twice in one unit, with warnings as errors.

usage: headers.py <compiler and its flags>
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

from sources import MODULES, files_below

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wnon-virtual-dtor", "-Werror"]


# What headers hold for builds other than the usual one.
VARIANTS = [("ringfence.hpp", "-DRF_BOOKKEEPING=0")]


def compile_alone(compiler, header, *options):
    unit = f"#include <ringfence/{header}>\n#include <ringfence/{header}>\n"
    done = subprocess.run([*compiler, *WARNINGS, *options, "-fsyntax-only", "-x", "c++", "-"],
                          input=unit, capture_output=True, text=True)
    return " ".join([header, *options]), done.returncode == 0, done.stdout + done.stderr


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    headers = [("ringfence.hpp",), *VARIANTS, *((f"{module}/{header}",) for module in MODULES
                                                for header in files_below(root / module, ".hpp"))]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, good, output in pool.map(lambda h: compile_alone(sys.argv[1:], *h), headers):
            if not good:
                failed += 1
                print(f"{header} does not compile alone:\n{output}")
    print(f"{len(headers) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
