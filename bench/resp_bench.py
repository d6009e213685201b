# SPDX-License-Identifier: MIT
"""The key-value example beside redis-server: both driven by redis-benchmark, on the server's processor."""

import shutil

from figures import Figure
from processes import (Allocations, Failed, Server, Trace, free_port, may_trace, pinned, processor_ns, processors,
                       progress, run_pinned, wait_for_port)

import subprocess

CONNECTIONS = 50
TESTS = ["ping_mbulk", "get", "set"]
NAMES = {"ping_mbulk": "ping", "get": "get", "set": "set"}
# Pipeline depth -> operations of one measurement.
OPERATIONS = {1: 60_000, 16: 600_000}
OPERATIONS_SMALL = {1: 2_000, 16: 16_000}


class Redis:
    """redis-server without its files and threads, as a server of this bench."""

    def __init__(self, processor, wrap=list, first=True):
        self.port = free_port()
        self.process = subprocess.Popen(
            wrap(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                  "--appendonly", "no", "--io-threads", "1", "--daemonize", "no"]),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=pinned(processor, first))
        try:
            wait_for_port(self.port, self.process)
        except Failed:
            self.stop()
            raise

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def measure(server, test, depth, operations, first=True):
    """Microseconds of the server's processor for one operation."""
    command = ["redis-benchmark", "-p", server.port, "-t", test, "-P", depth, "-c", CONNECTIONS,
               "-n", operations, "-q", "--csv"]
    before = processor_ns(server.pid)
    run_pinned(command, processors()[0], timeout=120, first=first)
    return (processor_ns(server.pid) - before) / 1e3 / operations


def run(context):
    if not shutil.which("redis-benchmark"):
        context.leave_out("resp: redis-benchmark is not installed, and nothing else drives this bench "
                          "(Debian: redis-tools)")
        return
    with_redis = shutil.which("redis-server") is not None
    if not with_redis:
        context.leave_out("resp: redis-server is not installed: no ratios (Debian: redis-server)")
    processor = processors()[0]
    program = str(context.program("resp_server", "examples"))
    kinds = {"ringfence": lambda wrap=list, **how: Server(wrap([program, "0"]), processor, **how)}
    if with_redis:
        kinds["redis"] = lambda **how: Redis(processor, **how)
    if not may_trace():
        context.leave_out("resp: no system calls: there is no strace (Debian: strace)")
    servers = {}
    try:
        for name, start in kinds.items():
            servers[name] = start()
        for depth, operations in (OPERATIONS_SMALL if context.small else OPERATIONS).items():
            for test in TESTS:
                if context.wants(f"{NAMES[test]} -P {depth}"):
                    compare(context, kinds, servers, test, depth, operations)
    finally:
        for server in servers.values():
            server.stop()


def total_of(counter, start, test, depth, operations):
    """What the counter counts of a server that does so many operations, start, connections and end among them."""
    # All in turn: with priority the load would keep what traces the server from its processor, and a
    # server alone with it would take every request by itself.
    server = start(wrap=counter.command, first=False)
    try:
        measure(server, test, depth, operations, first=False)
    finally:
        server.stop()
    return counter.total()


def count_of_one(make_counter, start, test, depth, operations):
    """Of one operation; None where it cannot be counted."""
    more, some = (total_of(make_counter(), start, test, depth, count) for count in (2 * operations, operations))
    return None if more is None or some is None else (more - some) / operations


def compare(context, kinds, servers, test, depth, operations):
    found = {name: [] for name in servers}
    names = list(servers)
    for turn in range(context.rounds):
        for place in range(len(names)):
            name = names[(place + turn) % len(names)]
            found[name].append(measure(servers[name], test, depth, operations))
    label = f"{NAMES[test]} -P {depth}"
    library = context.build / "bench/libcount_allocations.so"
    for name, values in found.items():
        counted = kinds[name], test, depth, operations // 20
        context.add(Figure.of("resp", f"{label} {name}", "us", values, floor=f"{label} redis",
                              allocations=count_of_one(lambda: Allocations(library), *counted),
                              system_calls=count_of_one(Trace, *counted) if may_trace() else None,
                              kept=name == "ringfence"))
    progress(f"resp {label}: " + ", ".join(f"{name} {min(values):.3f} us" for name, values in found.items()))
