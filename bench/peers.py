# SPDX-License-Identifier: MIT
"""The same by others, built for a run where their tools are installed. Sources: echo/peers/, micro/peers/."""

import os
import shlex
import shutil
import subprocess

from processes import progress

BUILD_SECONDS_MAX = 300
# Older Asio knows coroutines of GCC and of Clang's past alone, unless told that they are the standard's.
ASIO_DEFINES = ["-DASIO_HAS_CO_AWAIT", "-DASIO_HAS_STD_COROUTINE"]


def attempt(context, what, command, folder=None, environment=None, bench="echo"):
    progress(f"{bench}: building the {what} row")
    try:
        done = subprocess.run([str(part) for part in command], cwd=folder, text=True, check=False,
                              env={**os.environ, **(environment or {})}, capture_output=True,
                              timeout=BUILD_SECONDS_MAX)
    except (OSError, subprocess.TimeoutExpired) as failure:
        context.leave_out(f"{bench}: no {what} row: {failure}")
        return False
    if done.returncode != 0:
        # Why goes to standard error alone: it names folders and hosts, and what is left out is put into a page.
        progress((done.stderr or done.stdout).strip())
        context.leave_out(f"{bench}: no {what} row: it does not build here")
    return done.returncode == 0


def asio(context, sources, target):
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    probe = subprocess.run([*compiler, "-std=c++20", "-E", "-x", "c++", "-"], text=True, check=False,
                           input="#include <asio.hpp>\n", capture_output=True)
    if probe.returncode != 0:
        context.leave_out("echo: no Asio row: no asio.hpp (Debian: libasio-dev)")
        return None
    program = target / "asio_echo"
    good = attempt(context, "Asio", [*compiler, "-std=c++20", "-O2", *ASIO_DEFINES, "-o", program,
                                     sources / "asio_echo.cpp", "-pthread"])
    return ([program, 0], {}) if good else None


def go_program(context, bench):
    """What go_BENCH.go becomes; None if it does not."""
    if not shutil.which("go"):
        context.leave_out(f"{bench}: no Go row: there is no go program (Debian: golang-go)")
        return None
    program = folder_for(context) / f"go_{bench}"
    source = context.root / f"bench/{bench}/peers/go_{bench}.go"
    good = attempt(context, "Go", ["go", "build", "-o", program, source], bench=bench,
                   environment={"GOFLAGS": "-mod=mod", "GO111MODULE": "off"})
    return program if good else None


def go(context, *_):
    program = go_program(context, "echo")
    return ([program, 0], {"GOMAXPROCS": "1"}) if program else None


def tokio(context, sources, target):
    if not shutil.which("cargo"):
        context.leave_out("echo: no tokio row: there is no cargo program")
        return None
    # Cargo writes beside its sources.
    folder = shutil.copytree(sources / "tokio", target / "tokio", dirs_exist_ok=True)
    good = attempt(context, "tokio", ["cargo", "build", "--release", "--quiet"], folder)
    return ([folder / "target/release/tokio_echo", 0], {}) if good else None


def folder_for(context):
    target = context.build / "bench-peers"
    target.mkdir(parents=True, exist_ok=True)
    return target


def build(context):
    """Name -> (command, environment) of each that could be built."""
    sources = context.root / "bench/echo/peers"
    target = folder_for(context)
    found = {name: make(context, sources, target) for name, make in
             [("asio", asio), ("go", go), ("tokio", tokio)] if context.wants_peer(name)}
    return {name: how for name, how in found.items() if how}
