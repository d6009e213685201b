# SPDX-License-Identifier: MIT
"""The key-value example beside redis-server: both driven by redis-benchmark, on the server's processor."""

import shutil

from figures import Figure
from processes import (Failed, Server, free_port, pinned, processor_ns, processors, progress, run_pinned,
                       wait_for_port)

import subprocess

CONNECTIONS = 50
TESTS = ["ping_mbulk", "get", "set"]
NAMES = {"ping_mbulk": "ping", "get": "get", "set": "set"}
# Pipeline depth -> operations of one measurement.
OPERATIONS = {1: 60_000, 16: 600_000}
OPERATIONS_SMALL = {1: 2_000, 16: 16_000}


class Redis:
    """redis-server without its files and threads, as a server of this bench."""

    def __init__(self, processor):
        self.port = free_port()
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no", "--io-threads", "1", "--daemonize", "no"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=pinned(processor))
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


def measure(server, test, depth, operations):
    """Microseconds of the server's processor for one operation."""
    command = ["redis-benchmark", "-p", server.port, "-t", test, "-P", depth, "-c", CONNECTIONS,
               "-n", operations, "-q", "--csv"]
    before = processor_ns(server.pid)
    run_pinned(command, processors()[0], timeout=120)
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
    servers = {"ringfence": Server([context.program("resp_server", "examples"), 0], processor)}
    try:
        if with_redis:
            servers["redis"] = Redis(processor)
        for depth, operations in (OPERATIONS_SMALL if context.small else OPERATIONS).items():
            for test in TESTS:
                if context.wants(f"{NAMES[test]} -P {depth}"):
                    compare(context, servers, test, depth, operations)
    finally:
        for server in servers.values():
            server.stop()


def compare(context, servers, test, depth, operations):
    found = {name: [] for name in servers}
    names = list(servers)
    for turn in range(context.rounds):
        for place in range(len(names)):
            name = names[(place + turn) % len(names)]
            found[name].append(measure(servers[name], test, depth, operations))
    label = f"{NAMES[test]} -P {depth}"
    for name, values in found.items():
        context.add(Figure.of("resp", f"{label} {name}", "us", values, floor=f"{label} redis",
                              kept=name == "ringfence"))
    progress(f"resp {label}: " + ", ".join(f"{name} {min(values):.3f} us" for name, values in found.items()))
