# SPDX-License-Identifier: MIT
"""Scale: full-size runs, one each, and the curves that show whether cost grows with work and no faster."""

import contextlib
import pathlib
import resource
import socket
import subprocess
import time

from figures import Figure
from processes import Failed, Server, pinned, processor_ns, processors, progress

COUNTS = [1_000, 10_000, 100_000, 1_000_000]
COUNTS_SMALL = [100, 1_000]
CONNECTIONS, CONNECTIONS_SMALL = 9_000, 200
CHURN, CHURN_SMALL = 100_000, 1_000
TIMERS, TIMERS_SMALL = 10_000_000, 20_000
SOAK_SECONDS, SOAK_SECONDS_SMALL = 10, 1
BUSY_PERCENT_MAX = 1.0  # of a processor, for connections on which nothing happens
GROWTH_MAX = 3.0  # of the cost of one, from the smallest count to the largest: caches end in between


def add(context, name, unit, value, kept=False):
    context.add(Figure("scale", name, unit, value, value, value, kept=kept))


def run_program(context, *arguments):
    """(unit, value) of each name that one run prints."""
    command = [str(part) for part in [context.program("scale"), *arguments]]
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=7200,
                          preexec_fn=pinned(processors()[0], first=False))
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} failed: {done.stderr.strip()}")
    found = {}
    for line in done.stdout.splitlines():
        name, unit, value = line.split("\t")
        found[name] = (unit, float(value))
    return found


def curve(context):
    """Idle tasks: what one costs, at a thousand as at a million."""
    first, last = {}, {}
    for count in COUNTS_SMALL if context.small else COUNTS:
        last = run_program(context, "idle_tasks", count)
        first = first or last
        for name, (unit, value) in last.items():
            add(context, f"idle_tasks {count} {name}", unit, value, kept=name == "memory")
        progress(f"scale: {count} idle tasks: " +
                 ", ".join(f"{name} {value:.0f} {unit}" for name, (unit, value) in last.items()))
    for name in ["spawn", "dump", "cancel", "memory"]:
        growth = last[name][1] / max(first[name][1], 1e-9) if first[name][1] else 0
        add(context, f"idle_tasks growth {name}", "x", growth)
        if not context.small and growth > GROWTH_MAX:
            raise Failed(f"{name} of one idle task costs {growth:.1f} times as much among {COUNTS[-1]} as among "
                         f"{COUNTS[0]}: more than linear")


def resident(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def connect(port):
    peer = socket.create_connection(("127.0.0.1", port))
    peer.sendall(b"x")
    peer.recv(1)
    return peer


def idle_connections(context):
    count = CONNECTIONS_SMALL if context.small else CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 100:
        context.leave_out(f"scale: no idle connections: {count + 100} descriptors are more than the hard limit, {hard}")
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = Server([context.program("echo"), "ringfence", 0], processors()[0])
    with contextlib.ExitStack() as open_ones:
        open_ones.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        open_ones.callback(server.stop)
        open_ones.enter_context(connect(server.port))
        before, start = resident(server.pid), processor_ns(server.pid)
        for _ in range(count):
            open_ones.enter_context(connect(server.port))
        add(context, f"idle_connections {count} connect", "us", (processor_ns(server.pid) - start) / 1e3 / count)
        add(context, f"idle_connections {count} memory", "bytes", (resident(server.pid) - before) / count, kept=True)
        # Idle means idle: nothing wakes up for connections that are silent.
        start, began = processor_ns(server.pid), time.monotonic()
        time.sleep(0.2 if context.small else 1)
        busy = (processor_ns(server.pid) - start) / 1e7 / (time.monotonic() - began)
        add(context, f"idle_connections {count} busy", "%", busy)
        if busy > BUSY_PERCENT_MAX:
            raise Failed(f"{count} idle connections keep the server busy for {busy:.1f} % of the time")


def one_run(context, run, amount):
    for name, (unit, value) in run_program(context, run, amount).items():
        add(context, f"{run} {amount} {name}", unit, value)
    progress(f"scale: {run} {amount} is done")


def run(context):
    small = context.small
    parts = {
        "idle_tasks": lambda: curve(context),
        "idle_connections": lambda: idle_connections(context),
        "churn": lambda: one_run(context, "churn", CHURN_SMALL if small else CHURN),
        "timers": lambda: one_run(context, "timers", TIMERS_SMALL if small else TIMERS),
        "soak": lambda: one_run(context, "soak",
                                context.soak_seconds or (SOAK_SECONDS_SMALL if small else SOAK_SECONDS)),
    }
    for name, part in parts.items():
        if context.part in name:
            part()
