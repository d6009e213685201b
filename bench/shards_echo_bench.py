# SPDX-License-Identifier: MIT
"""Shards: what a message costs a server on one shard and on two, each shard as busy as the other.

Every shard has a processor and a load of its own there, in lockstep, so that its batches are of one
size in each arrangement and the shards do run at the same time:

  alone   one shard; the other processor is idle
  beside  one shard; on the other processor a process of its own does the same
  two     two shards of one process

The floor of two is beside: what two processors take from each other, they take in both, so that the
ratio is what sharing a process costs. Where the load can have processors of its own, `apart` is the
same without lockstep.
"""

import contextlib
import re
import statistics
import subprocess

from figures import Figure
from processes import Failed, numbers, pinned, processors, progress

CONNECTIONS, BYTES = 64, 64
NAMES = ["alone", "beside", "two"]
END_SECONDS_MAX = 20


class Shards:
    """A server with a shard on each of these processors."""

    def __init__(self, context, on):
        self.on = on
        self.process = subprocess.Popen([str(context.program("echo")), "shards", str(len(on))],
                                        stdout=subprocess.PIPE, text=True, preexec_fn=pinned(set(on)))
        self.ports, self.threads, self.messages = {}, {}, 0
        for _ in on:
            found = numbers(self.process.stdout.readline())
            if "port" not in found:
                self.stop()
                raise Failed("echo shards did not start")
            self.ports[int(found["shard"])] = int(found["port"])
            self.threads[int(found["shard"])] = int(found["thread"])

    def stop(self):
        """Allocations and system calls of all shards."""
        self.process.terminate()
        try:
            output, _ = self.process.communicate(timeout=END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise Failed("echo shards did not end") from None
        return {name: sum(float(value) for value in re.findall(rf"{name}=(\d+)", output))
                for name in ("allocations", "enters")}


def start_load(context, server, shard, on, lockstep):
    command = [context.program("echo"), "load", server.ports[shard], f"thread:{server.threads[shard]}",
               CONNECTIONS, BYTES, 1, 50 if context.small else context.milliseconds]
    return subprocess.Popen([str(part) for part in command] + (["lockstep"] if lockstep else []),
                            stdout=subprocess.PIPE, text=True, preexec_fn=pinned(on))


def measure(context, servers, apart):
    """(microseconds of a message, messages a second) of these servers, all their shards at work together."""
    chosen = processors()
    under_way = []
    try:
        for server in servers:
            for shard, on in enumerate(server.on):
                on = chosen[2 + chosen.index(on)] if apart else on
                under_way.append((server, start_load(context, server, shard, on, not apart)))
        found = []
        for server, load in under_way:
            output, _ = load.communicate(timeout=60)
            if load.returncode != 0:
                raise Failed("echo load failed; its words are above")
            found.append(numbers(output))
            server.messages += found[-1]["messages_all"]
    finally:
        for _, load in under_way:
            if load.poll() is None:
                load.kill()
                load.wait()
    counted = sum(one["messages"] for one in found)
    return (sum(one["server_us"] * one["messages"] for one in found) / counted,
            sum(one["per_second"] for one in found))


def compare(context, servers, apart):
    found = {name: [] for name in NAMES}
    for turn in range(context.rounds):
        for place in range(len(NAMES)):
            name = NAMES[(place + turn) % len(NAMES)]
            found[name].append(measure(context, servers[name], apart))
    return found


def add(context, mode, found, counts):
    for name, runs in found.items():
        allocations, calls = counts[name]
        context.add(Figure.of("shards_echo", f"{name} {mode}", "us", [time for time, _ in runs],
                              floor="" if name == "alone" else f"{'alone' if name == 'beside' else 'beside'} {mode}",
                              allocations=allocations, system_calls=calls, kept=name == "two"))
    for name in ("alone", "two"):
        context.add(Figure.of("shards_echo", f"{name} {mode} rate", "k/s", [rate / 1e3 for _, rate in found[name]],
                              floor="alone " + mode + " rate" if name == "two" else "", kept=False))
    progress(f"shards_echo {mode}: in the median of the turns two shards take {turn_by_turn(found, 'beside', 0)} of the "
             f"time of one beside a stranger, {turn_by_turn(found, 'alone', 0)} of that of one alone, and serve "
             f"{turn_by_turn(found, 'alone', 1)} times as many")


def turn_by_turn(found, floor, part):
    """The ratio of two shards to another arrangement, each turn with its own."""
    ratios = sorted(two[part] / one[part] for two, one in zip(found["two"], found[floor]))
    return f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"


def run_mode(context, apart):
    first, second = processors()[:2]
    with contextlib.ExitStack() as started:
        def start(*on):
            server = Shards(context, list(on))
            started.callback(lambda: server.process.poll() is None and server.stop())
            return server
        servers = {"alone": [start(first)], "beside": [start(first), start(second)], "two": [start(first, second)]}
        found = compare(context, servers, apart)
        counts = {}
        for name, some in servers.items():
            totals = [server.stop() for server in some]
            messages = sum(server.messages for server in some)
            counts[name] = tuple(sum(one[what] for one in totals) / messages for what in ("allocations", "enters"))
    add(context, "apart" if apart else "lockstep", found, counts)


def run(context):
    there = len(processors())
    if there < 2:
        context.leave_out("shards_echo: there is only one processor")
        return
    if context.wants("lockstep"):
        run_mode(context, False)
    if context.wants("apart"):
        if there < 4:
            context.leave_out(f"shards_echo: no load on processors of its own: that takes 4, here are {there}")
        else:
            run_mode(context, True)
