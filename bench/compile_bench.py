# SPDX-License-Identifier: MIT
"""Compile: seconds and memory to compile a file that includes one header and nothing else."""

import os
import pathlib
import shlex
import subprocess
import tempfile

from figures import Figure
from machine import compiler_command
from processes import Failed, pinned, processors, progress

MODULES = ["runtime", "io", "sync", "leakcheck"]
SMALL = ["runtime/task.hpp"]
ROUNDS_MAX = 3


def compiler(context):
    """That of the build, unless the environment names another."""
    named = os.environ.get("CXX")
    return shlex.split(named) if named else compiler_command(context.build)


def headers(context):
    """Every public header: those that the umbrella could include."""
    found = []
    for module in MODULES:
        for path in sorted((context.root / module).rglob("*.hpp")):
            name = path.relative_to(context.root).as_posix()
            if "detail" not in name.split("/"):
                found.append(name)
    return found


def compile_once(command, source, folder):
    """(seconds of processor time, megabytes at the peak) of one compilation."""
    source_file = folder / "one.cpp"
    source_file.write_text(source)
    process = subprocess.Popen([*command, "-c", str(source_file), "-o", str(folder / "one.o")],
                               stderr=subprocess.PIPE, text=True, env={**os.environ, "CCACHE_DISABLE": "1"},
                               preexec_fn=pinned(processors()[-1]))
    errors = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise Failed(f"it does not compile: {source.strip()}: {errors.strip().splitlines()[-1:]}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def measure(context, label, source, folder, rounds, **more):
    include = ["-I", str(context.root / "include")]
    command = [*compiler(context), "-std=c++20", "-O2", *include]
    runs = [compile_once(command, source, folder) for _ in range(rounds)]
    context.add(Figure.of("compile", label, "s", [seconds for seconds, _ in runs],
                          megabytes=max(size for _, size in runs), **more))
    progress(f"compile {label}: {min(seconds for seconds, _ in runs):.2f} s")


def run(context):
    rounds = 1 if context.small else min(context.rounds, ROUNDS_MAX)
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        # What C++ itself costs: the floor.
        floor = "<coroutine>, <string>, <vector>, <functional>"
        plain = "".join(f"#include <{name}>\n" for name in ["coroutine", "string", "vector", "functional"])
        measure(context, floor, plain, folder, rounds, kept=False)
        if not context.small and context.wants("ringfence.hpp"):
            measure(context, "ringfence.hpp", "#include <ringfence/ringfence.hpp>\n", folder, rounds, floor=floor)
        if not context.small and context.wants("asio.hpp"):
            measure_asio(context, folder, rounds, floor)
        for name in SMALL if context.small else headers(context):
            if context.wants(name):
                measure(context, name, f"#include <ringfence/{name}>\n", folder, 1, floor=floor)


def measure_asio(context, folder, rounds, floor):
    try:
        measure(context, "asio.hpp", "#include <asio.hpp>\n", folder, rounds, kept=False, floor=floor)
    except Failed:
        context.leave_out("compile: no asio.hpp to compare with (Debian: libasio-dev)")
