# SPDX-License-Identifier: MIT
"""Echo: processor time of the server for a message, ours beside raw io_uring and peers.

Columns are connections:bytes:depth. In lockstep, load and server share one processor and the load
waits for all answers before it sends again: batches of one size, whoever is faster. On two
processors the faster the server, the more the load limits it and the smaller its batches get, so
those figures are for orientation.
"""

import peers
from figures import Figure
from processes import Failed, Server, Trace, may_trace, numbers, processors, progress, run_pinned

COLUMNS = ["1:64:1", "64:64:1", "512:64:1", "64:64:8", "512:64:8", "64:16384:1"]
COLUMNS_SMALL = ["1:64:1", "8:64:2"]
FLOORS = ["multishot", "single"]
WAIT_PERCENT_MAX = 5  # of a server for its processor: then the run is done again, once


def floor_buffer_bytes(size, depth):
    """A buffer smaller than what arrives together would make a floor that is none."""
    return max(2048, 1 << (size * depth - 1).bit_length())


def start_all(context, column, server_processor):
    program = context.program("echo")
    _, size, depth = (int(part) for part in column.split(":"))
    buffer_bytes = floor_buffer_bytes(size, depth)
    servers = {"ringfence": Server([program, "ringfence", 0], server_processor)}
    for name in FLOORS:
        servers[name] = Server([program, name, 0, buffer_bytes], server_processor)
    for name, (command, environment) in context.peers.items():
        try:
            servers[name] = Server(command, server_processor, environment)
        except Failed as failure:
            progress(str(failure))
            context.leave_out(f"echo: no {name} row: it does not start here")
    return servers


def measure(context, server, column, lockstep, milliseconds):
    connections, size, depth = column.split(":")
    chosen = processors()
    processor = chosen[0] if lockstep else chosen[1]
    command = [context.program("echo"), "load", server.port, server.pid, connections, size, depth,
               milliseconds] + (["lockstep"] if lockstep else [])
    for _ in range(2):
        found = numbers(run_pinned(command, processor, timeout=60))
        if lockstep or found["server_wait_percent"] <= WAIT_PERCENT_MAX:
            break
    return found


def count_traced(context, column, how):
    """System calls of a message of a peer, which counts none itself. None where there is no strace."""
    if not may_trace():
        context.leave_out("echo: no system calls of peers: there is no strace (Debian: strace)")
        return None
    command, environment = how
    trace = Trace()
    server = Server(trace.command(command), processors()[0], environment)
    try:
        found = measure(context, server, column, True, 300)
    finally:
        server.stop()
    calls = trace.total()
    return None if calls is None else calls / found["messages_all"]


def count(context, column, name):
    """(allocations, system calls) of a message, from the totals of a server that did nothing else."""
    _, size, depth = (int(part) for part in column.split(":"))
    extra = [] if name == "ringfence" else [floor_buffer_bytes(size, depth)]
    server = Server([context.program("echo"), name, 0, *extra], processors()[0])
    try:
        found = measure(context, server, column, True, 50 if context.small else 300)
    finally:
        totals = server.stop()
    messages = found["messages_all"]
    return totals["allocations"] / messages, totals["enters"] / messages


def run_column(context, column, lockstep):
    mode = "lockstep" if lockstep else "two"
    servers = start_all(context, column, processors()[0])
    found = {name: [] for name in servers}
    try:
        names = list(servers)
        for turn in range(context.rounds):
            for place in range(len(names)):
                name = names[(place + turn) % len(names)]
                found[name].append(measure(context, servers[name], column, lockstep,
                                           50 if context.small else context.milliseconds))
    finally:
        for server in servers.values():
            server.stop()
    add_figures(context, column, mode, found)


def add_figures(context, column, mode, found):
    times = {name: [run["server_us"] for run in runs] for name, runs in found.items()}
    # The floor of a column is the better of the two raw servers, in the median and in the minimum.
    raw = [Figure.of("echo", f"{column} {mode} {name}", "us", times[name]) for name in FLOORS]
    floor = Figure("echo", f"{column} {mode} floor", "us", *(min(getattr(one, part) for one in raw)
                                                             for part in ("median", "min", "max")), kept=False)
    context.add(floor)
    for name, values in times.items():
        allocations, calls = None, None
        if mode == "lockstep" and name in ["ringfence", *FLOORS]:
            allocations, calls = count(context, column, name)
        elif mode == "lockstep":
            calls = count_traced(context, column, context.peers[name])
        context.add(Figure.of("echo", f"{column} {mode} {name}", "us", values,
                              floor=floor.name, allocations=allocations,
                              system_calls=calls, kept=name == "ringfence" and mode == "lockstep"))
    rates = [run["per_second"] / 1e3 for run in found["ringfence"]]
    progress(f"echo {column} {mode}: floor {floor.min:.3f} us, ringfence "
             f"{min(times['ringfence']):.3f} us, {max(rates):.0f} k messages/s")


def run(context):
    context.peers = {} if context.small else peers.build(context)
    modes = [True] if len(processors()) < 2 else [True, False]
    if len(modes) == 1:
        context.leave_out("echo: nothing on two processors: there is only one")
    for lockstep in modes:
        for column in COLUMNS_SMALL if context.small else COLUMNS:
            if context.wants(f"{column} {'lockstep' if lockstep else 'two'}"):
                run_column(context, column, lockstep)
