# SPDX-License-Identifier: MIT
"""Leakcheck: what noting and watching cost, beside a build in which nothing is noted.

Four programs take turns: `bare` is built with -Dbookkeeping=false, `always_on` is the library as it
is, `recorded` keeps the last events in addition, `watched` has a leakcheck::watcher around its run.
"""

import json
import os
import statistics
import subprocess

from figures import Figure
from processes import Failed, Server, numbers, processors, progress, run_pinned

COLUMNS = ["1:64:1", "64:64:1", "512:64:8"]
COLUMNS_SMALL = ["8:64:2"]
SUSPENSIONS, SUSPENSIONS_SMALL = 4_000_000, 20_000
FINISHED, FINISHED_SMALL = 10_000_000, 20_000
# What the tier that is always on may add. Time is over its limit when the medians and the minima say so.
ECHO_PERCENT_MAX = 2
SUSPENSION_NS_MAX = 5
ALLOCATIONS_MAX = 0.001  # a suspension or message: none, but for what the start of a program makes
BYTES_MAX = 48
MEGABYTES_MAX = 8
BUILD_SECONDS_MAX = 3600


def build_bare(context):
    """The program in which nothing is noted, compiled like the one of the build folder."""
    folder = context.build / "bare"
    told = {option["name"]: option["value"]
            for option in json.loads(command(["meson", "introspect", context.build, "--buildoptions"], None))}
    words = json.loads((context.build / "compile_commands.json").read_text())[0]["command"].split()
    compiler = words[:next(i for i, word in enumerate(words) if word.startswith("-"))]
    environment = {**os.environ, "CXX": " ".join(word for word in compiler if word != "ccache")}
    progress("leakcheck: building the library without bookkeeping")
    if not (folder / "build.ninja").exists():
        command(["meson", "setup", folder, context.root, "--wrap-mode=nodownload", "-Dbookkeeping=false",
                 "-Dtests=enabled", f"-Doptimization={told['optimization']}",
                 f"-Ddebug={str(told['debug']).lower()}"], environment)
    command(["ninja", "-C", folder, "bench/leakcheck"], environment)
    return folder / "bench/leakcheck"


def command(words, environment):
    done = subprocess.run([str(word) for word in words], text=True, capture_output=True, check=False,
                          env=environment, timeout=BUILD_SECONDS_MAX)
    if done.returncode != 0:
        raise Failed(f"{words[0]} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def variants(context):
    """Name -> (program, last argument). Without the bare one in small: it takes minutes to build."""
    program = context.program("leakcheck")
    found = {"always_on": (program, []), "recorded": (program, ["recorded"]), "watched": (program, ["watched"])}
    if context.small:
        return found
    return {"bare": (build_bare(context), []), **found}


def turns(context, programs, measure):
    """Values of each program, which take turns in an order that rotates."""
    found = {name: [] for name in programs}
    names = list(programs)
    for turn in range(context.rounds):
        for place in range(len(names)):
            name = names[(place + turn) % len(names)]
            found[name].append(measure(name))
    return found


def add(context, what, unit, found, made, entered):
    floor = f"{what} bare" if "bare" in found else ""
    for name, values in found.items():
        context.add(Figure.of("leakcheck", f"{what} {name}", unit, values, floor="" if name == "bare" else floor,
                              allocations=made.get(name), system_calls=entered.get(name), kept=name != "bare"))
    if not floor:
        return
    for name in list(found)[1:]:
        extra = [ours - bare for ours, bare in zip(found[name], found["bare"])]
        median, least = statistics.median(extra), min(found[name]) - min(found["bare"])
        share = median / statistics.median(found["bare"]) * 100
        share_least = least / min(found["bare"]) * 100
        progress(f"leakcheck {what}: {name} adds {median:.3f} {unit} in the median of the turns ({share:+.1f} %), "
                 f"{least:.3f} {unit} between the minima ({share_least:+.1f} %)")
        if name != "always_on":
            continue
        if unit == "us" and min(share, share_least) > ECHO_PERCENT_MAX:
            raise Failed(f"noting tasks adds {share:.1f} % to {what}; {ECHO_PERCENT_MAX} % are allowed")
        if unit == "ns" and min(median, least) > SUSPENSION_NS_MAX:
            raise Failed(f"noting tasks adds {median:.1f} ns to a {what}; {SUSPENSION_NS_MAX} are allowed")
        if made[name] - made["bare"] > ALLOCATIONS_MAX:
            raise Failed(f"noting tasks adds {made[name] - made['bare']:.4f} allocations to {what}; none is allowed")


def sizes(context, programs):
    held = {name: numbers(command([programs[name][0], "sizes"], None)) for name in ("bare", "always_on")
            if name in programs}
    if len(held) < 2:
        return
    extra = {part: held["always_on"][part] - held["bare"][part] for part in held["bare"]}
    total = sum(extra.values())
    progress(f"leakcheck task: {total:.0f} bytes of a task of one frame are notes: " +
             ", ".join(f"{part} {value:.0f}" for part, value in extra.items()))
    context.add(Figure("leakcheck", "task notes", "bytes", total, total, total))
    if total > BYTES_MAX:
        raise Failed(f"the notes of a task take {total:.0f} bytes; {BYTES_MAX} are allowed")


def suspensions(context, programs):
    made, entered = {}, {}

    def measure(name):
        program, extra = programs[name]
        count = SUSPENSIONS_SMALL if context.small else SUSPENSIONS
        found = numbers(run_pinned([program, "suspend", count, *extra], processors()[0], timeout=120))
        made[name], entered[name] = found["allocations"], found["enters"]
        return found["ns"]
    add(context, "suspension", "ns", turns(context, programs, measure), made, entered)


def finished(context, programs):
    """Memory that the watchers hold after millions of tasks have come and gone."""
    count = FINISHED_SMALL if context.small else FINISHED
    held = {}
    for name in ("always_on", "watched"):
        program, extra = programs[name]
        found = numbers(run_pinned([program, "finish", count, *extra], processors()[0], timeout=600))
        held[name] = found["resident_kb"] / 1024
    extra = held["watched"] - held["always_on"]
    progress(f"leakcheck memory: {extra:.2f} MB for the watchers after {count} tasks")
    context.add(Figure("leakcheck", f"memory after {count} tasks", "MB", extra, extra, extra, kept=False))
    if extra > MEGABYTES_MAX:
        raise Failed(f"after {count} tasks the watchers hold {extra:.1f} MB; {MEGABYTES_MAX} are allowed")


def echo(context, programs, column):
    connections, size, depth = column.split(":")
    servers = {name: Server([program, "serve", 0, *extra], processors()[0])
               for name, (program, extra) in programs.items()}
    messages = {name: 0 for name in programs}

    def measure(name):
        server = servers[name]
        found = numbers(run_pinned(
            [context.program("echo"), "load", server.port, server.pid, connections, size, depth,
             50 if context.small else context.milliseconds, "lockstep"], processors()[0], timeout=60))
        messages[name] += found["messages_all"]
        return found["server_us"]
    made, entered = {}, {}
    try:
        found = turns(context, programs, measure)
    finally:
        for name, server in servers.items():
            totals = server.stop()
            made[name] = totals.get("allocations", 0) / max(messages[name], 1)
            entered[name] = totals.get("enters", 0) / max(messages[name], 1)
    add(context, f"echo {column}", "us", found, made, entered)


def run(context):
    programs = variants(context)
    if "bare" not in programs:
        context.leave_out("leakcheck: nothing beside a build without bookkeeping: it takes minutes to make")
    if context.wants("task"):
        sizes(context, programs)
    if context.wants("suspension"):
        suspensions(context, programs)
    if context.wants("memory"):
        finished(context, programs)
    for column in COLUMNS_SMALL if context.small else COLUMNS:
        if context.wants(f"echo {column}"):
            echo(context, programs, column)
