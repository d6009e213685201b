# SPDX-License-Identifier: MIT
"""Shows a run: as tables in text, and as docs/benchmarks.md."""

import machine
from figures import Run

TITLES = {
    "echo": "Echo over TCP",
    "shards_echo": "Echo on two shards",
    "micro": "Operations on one thread",
    "resp": "A key-value service beside redis-server",
    "compile": "Compiling",
    "scale": "Scale",
    "leakcheck": "What noting and watching cost",
    "timer_wheel": "Timers",
    "doorbell": "Waking a loop on another thread",
    "snapshot": "Copying the task tree",
    "wait_graph": "Finding out who waits for whom",
}
EXPLANATIONS = {
    "echo": "Processor time of the server for a message, from the scheduler's own account. Columns are "
            "connections:bytes:messages under way. `multishot` and `single` are raw io_uring and nothing "
            "else; the floor of a column is the better of the two. In `lockstep`, load and server share a "
            "processor and the load waits for all answers before it sends again, so that batches are of one "
            "size. In `two`, the load has a processor of its own: the faster the server, the smaller its "
            "batches, so compare in lockstep.",
    "shards_echo": "Processor time of the server's threads for a message of 64 bytes. Each shard has a processor, and a load "
                   "of 64 connections on it that works in lockstep: `alone` is one shard while the other processor is idle, "
                   "`beside` one while another process does the same on the other processor, `two` both shards of one "
                   "process. So two shards against `beside` is what they take from each other, and `rate` how many "
                   "messages they serve, of what one does.",
    "micro": "Processor time of the thread for one operation. `floor_` is the least coroutine code that does "
             "the same, without cancellation, errors, accounts or a task tree. System calls are the times a loop "
             "enters the kernel; rings of another loop's doorbell do not count. `go_` is the same in Go, where that is installed.",
    "resp": "`examples/resp_server` and redis-server driven by redis-benchmark, on the same processor. Processor "
            "time of the server for an operation; the floor is redis-server. System calls are counted by strace in runs of "
            "their own; it slows the server down, which makes its batches larger.",
    "compile": "One file that includes the header and nothing else, optimised as the build is.",
    "scale": "One run each. The curves show whether cost grows with work and no faster.",
    "leakcheck": "The floor is `bare`, a build in which nothing is noted of tasks but what running them needs. `always_on` is "
                 "the library as it is, `recorded` keeps the last events too, `watched` has a `leakcheck::watcher` around "
                 "its run: recorder, stall detector, verdicts and late cancels.",
    "timer_wheel": "Time on the wall for one timer, a million of them. The floor is `std::multimap`.",
    "doorbell": "Two threads wake each other in turn: an eventfd that the ring polls, which is the doorbell of loops, and "
                "`IORING_OP_MSG_RING`, whose floor it is.",
    "snapshot": "100,000 tasks that wait, some of them two awaits deep. Allocations are for a task.",
    "wait_graph": "100,000 blocked tasks. Allocations and system calls are for one of them.",
}


def number(value):
    if value is None:
        return ""
    if value == 0:
        return "0"
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 100 else 1
    if abs(value) >= 1000 or value == int(value):
        digits = 0
    return f"{value:.{digits}f}"


def rows(run, bench):
    """The table of one bench: a list of lists of text, titles first."""
    table = [["name", "unit", "median", "min", "max", "of floor", "minima", "allocations", "system calls",
              "MB"]]
    for figure in run.figures:
        if figure.bench != bench:
            continue
        ratios = run.ratios(figure)
        table.append([figure.name, figure.unit, number(figure.median), number(figure.min), number(figure.max),
                      *([f"{ratio:.2f}" for ratio in ratios] if ratios else ["", ""]),
                      count(figure.allocations), count(figure.system_calls),
                      "" if figure.megabytes is None else f"{figure.megabytes:.0f}"])
    used = [column for column in range(len(table[0])) if any(row[column] for row in table[1:])]
    return [[row[column] for column in used] for row in table] if len(table) > 1 else []


def count(value):
    return "" if value is None else f"{value:.3f}"


def text(run):
    """Tab-separated tables."""
    lines = [f"# {where}" for where in sorted({machine.line(origin) for origin in run.origins.values()})]
    for bench in TITLES:
        table = rows(run, bench)
        if table:
            lines += ["", f"# {TITLES[bench]}", "# " + "\t".join(table[0])]
            lines += ["\t".join(row) for row in table[1:]]
    lines += [f"# left out: {sentence}" for sentence in run.left_out]
    return "\n".join(lines) + "\n"


def page(run):
    lines = [
        "# Benchmarks", "",
        "<!-- Written by ./dev bench --docs; what it measured is in bench/figures.json. -->", "",
        "Absolute figures move with the machine and with what else it does; ratios to the floor, taken in the same "
        "run and turn by turn, move little. Where the ratios of the medians (`of floor`) and of the minima "
        "disagree, trust neither. Allocations and system calls are for one operation.", "",
        "`./dev bench --check` runs all again and says which ratios got worse than those of this page.",
    ]
    for bench, title in TITLES.items():
        table = rows(run, bench)
        if not table:
            continue
        origin = run.origins[bench]
        lines += ["", f"## {title}", "", EXPLANATIONS[bench], "",
                  f"`{origin['command']}` on {machine.line(origin)}.", ""]
        lines += ["| " + " | ".join(table[0]) + " |", "|" + "---|" * len(table[0])]
        lines += ["| " + " | ".join(cell(text) for text in row) + " |" for row in table[1:]]
    if run.left_out:
        lines += ["", "Left out:", ""] + [f"- {sentence}" for sentence in run.left_out]
    return "\n".join(lines) + "\n"


def cell(text):
    """Angle brackets would be taken for a tag."""
    return f"`{text}`" if "<" in text else text


def renew(run, figures, target):
    """Writes the page and the figures behind it. Benches that did not run keep what they had."""
    if figures.exists():
        run.fill_in(Run.from_json(figures.read_text()))
    kept = run.to_json()
    figures.write_text(kept)
    # From what is kept: else the rows of benches that do not run the next time would change their last digit then.
    target.write_text(page(Run.from_json(kept)))
