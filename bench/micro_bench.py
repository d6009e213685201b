# SPDX-License-Identifier: MIT
"""Micro: what operations cost on one thread, each beside the least coroutine code that does the same."""

import json
import os
import subprocess

import peers
from figures import Figure
from processes import Failed, pinned, processors, progress

SECONDS_MAX = 1200
BETWEEN_THREADS = ("shared_channel_item", "cross_shard_post")


def unit(name):
    return "ms" if name.endswith("_ms") else "bytes" if name.endswith("_bytes") else "ns"


def measure(context, name, prepare):
    command = [str(context.program("micro")), "--json", "--rounds", str(context.rounds), name]
    if context.small:
        command.append("--small")
    done = subprocess.run(command, text=True, capture_output=True, timeout=SECONDS_MAX, check=False,
                          preexec_fn=prepare)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def add_go(context, program, name):
    """Go's figure, where it has one: the same work as its users write it, on one thread."""
    done = subprocess.run([str(program), str(context.rounds), name], text=True, capture_output=True,
                          timeout=SECONDS_MAX, check=False, env={**os.environ, "GOMAXPROCS": "1"},
                          preexec_fn=pinned(processors()[0]))
    if done.returncode != 0:
        raise Failed(f"{program} {name} failed: {done.stderr.strip()}")
    for line in done.stdout.splitlines():
        label, median, least, most, allocations = line.split("\t")
        context.add(Figure("micro", f"go_{label}", unit(label), float(median), float(least), float(most),
                           floor=f"floor_{label}", allocations=float(allocations), kept=False))


def names(context):
    """What there is to measure, one run each."""
    done = subprocess.run([str(context.program("micro")), "--list"], text=True, capture_output=True,
                          check=True)
    return [name for name in done.stdout.split() if context.wants(name)]


def run(context):
    go = peers.go_program(context, "micro") if context.wants_peer("go") and not context.small else None
    for name in names(context):
        # What is between two threads needs two processors.
        on_two = name in BETWEEN_THREADS
        found = {line["name"]: line for line in
                 measure(context, name, None if on_two else pinned(processors()[0]))}
        for label, line in found.items():
            if label not in (name, f"floor_{name}"):
                continue
            floor = f"floor_{name}" if f"floor_{name}" in found else ""
            context.add(Figure("micro", label, unit(label), line["median"], line["min"], line["max"],
                               floor=floor if label == name else "",
                               allocations=None if unit(label) == "bytes" else line["allocations"],
                               system_calls=line.get("system_calls"),
                               kept=label == name))
        ours, floor = found[name], found.get(f"floor_{name}")
        progress(f"micro {name}: {ours['min']:.1f} {unit(name)}" +
                 (f", floor {floor['min']:.1f}" if floor else ""))
        if go:
            add_go(context, go, name)
