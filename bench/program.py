# SPDX-License-Identifier: MIT
"""Benches that are one program each, which measures by itself and prints lines of figures."""

import subprocess

from figures import Figure
from processes import Failed, pinned, processors, progress

SECONDS_MAX = 600
STATUS_SKIPPED = 77
BETWEEN_THREADS = ("doorbell",)
FLOORS = {"timer_wheel": ("wheel ", "multimap "), "doorbell": ("msg_ring ", "eventfd ")}


def count(text):
    return None if text == "-" else float(text)


def run(context, name):
    """Each line: name, unit, median, min, max, allocations and system calls. Lines with # are remarks."""
    command = [str(context.program(name)), *(["--small"] if context.small else [])]
    done = subprocess.run(command, text=True, capture_output=True, timeout=SECONDS_MAX, check=False,
                          preexec_fn=None if name in BETWEEN_THREADS else pinned(processors()[0]))
    if done.returncode == STATUS_SKIPPED:
        context.leave_out(f"{name}: {done.stderr.strip()}")
        return
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} failed: {done.stderr.strip()}")
    ours, floor = FLOORS.get(name, ("", ""))
    for line in done.stdout.splitlines():
        if line.startswith("#"):
            progress(f"{name}: {line.lstrip('# ')}")
            continue
        label, unit, median, least, most, allocations, calls = line.split("\t")
        if context.wants(label):
            has_floor = bool(ours) and label.startswith(ours)
            context.add(Figure(name, label, unit, float(median), float(least), float(most),
                               floor=floor + label.removeprefix(ours) if has_floor else "",
                               allocations=count(allocations), system_calls=count(calls),
                               kept=not floor or has_floor))
