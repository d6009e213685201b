#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the benches and prints what they found; `./dev bench` calls it when all is built.

A filter is a bench's name, or name/part with a part of a figure's name. Tables go to standard
output, what happens meanwhile to standard error.
"""

import argparse
import importlib
import pathlib
import subprocess
import sys

import machine
import program
import report
from figures import Run, compare
from processes import Failed, may_go_first, progress

ROOT = pathlib.Path(__file__).resolve().parent.parent
# One program each, see program.py.
PROGRAMS = ["timer_wheel", "doorbell", "snapshot", "wait_graph"]
BENCHES = ["echo", "shards_echo", "micro", "resp", "compile", "scale", "leakcheck", *PROGRAMS]
# These print tables of their own, which are not of times.
TABLES = ["corpus"]
# Committed, and written together with docs/benchmarks.md: --check compares with what the page claims.
# In a build folder it would be whatever somebody ran there last.
FIGURES = ROOT / "bench/figures.json"
PAGE = ROOT / "docs/benchmarks.md"
STATUS_SKIPPED = 77


class Context:
    """What a bench is told, and where it puts what it finds."""

    def __init__(self, options, run):
        self.root = ROOT
        self.build = options.build.resolve()
        self.small = options.small
        self.rounds = options.rounds or (1 if options.small else 7)
        self.milliseconds = options.milliseconds
        self.soak_seconds = options.soak_seconds
        self.with_peers = options.peers
        self.part = options.filter.partition("/")[2]
        self.found = run

    def program(self, name, folder="bench"):
        path = self.build / folder / name
        if not path.exists():
            raise Failed(f"{path} is not built")
        return path

    def wants(self, name):
        return self.part in name

    def wants_peer(self, name):
        return self.with_peers == "all" or name in self.with_peers.split(",")

    def add(self, figure):
        self.found.figures.append(figure)

    def leave_out(self, sentence):
        progress(f"bench: {sentence}")
        if sentence not in self.found.left_out:
            self.found.left_out.append(sentence)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, prog="./dev bench",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("filter", nargs="?", default="", help="|".join(BENCHES) + ", or name/part")
    parser.add_argument("--small", action="store_true", help="a moment each: that they still run")
    parser.add_argument("--json", action="store_true", help="JSON instead of tables")
    parser.add_argument("--check", action="store_true",
                        help="compare with bench/figures.json; fails if something got slower")
    parser.add_argument("--docs", action="store_true",
                        help="write docs/benchmarks.md and bench/figures.json; of the benches run")
    parser.add_argument("--rounds", type=int, default=0, help="of each interleaved comparison (7)")
    parser.add_argument("--milliseconds", type=int, default=400, help="of one measurement (400)")
    parser.add_argument("--soak-seconds", type=int, default=0, help="of the soak (10)")
    parser.add_argument("--peers", default="all", help="asio,go,tokio or none: rows of the echo and micro benches")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="the build folder")
    options = parser.parse_args()
    # For the page: without what differs from machine to machine or changes no figure.
    told = [word for word in sys.argv[1:] if word not in ("--json", "--check")]
    if "--build" in told:
        at = told.index("--build")
        del told[at:at + 2]
    options.told = told
    return options


def named(name, there):
    """What is called so; else all with that in their names."""
    return [name] if name in there else [] if name in BENCHES + TABLES else [one for one in there if name in one]


def run_bench(context, name):
    if name in PROGRAMS:
        program.run(context, name)
    else:
        importlib.import_module(f"{name}_bench").run(context)


def main():
    options = parse()
    name = options.filter.partition("/")[0]
    chosen, tables = named(name, BENCHES), [] if options.json else named(name, TABLES)
    if not chosen and not tables:
        print(f"bench: no bench is called {name}; there are {', '.join(BENCHES + TABLES)}", file=sys.stderr)
        return 1
    origin = machine.describe(ROOT, options.build.resolve()) | {"command": " ".join(["./dev bench", *options.told])}
    run = Run({bench: origin for bench in chosen})
    if not may_go_first():
        progress("bench: no realtime priority here: other jobs on the machine disturb the figures")
    context = Context(options, run)
    failed = False
    for bench in chosen:
        try:
            run_bench(context, bench)
        except Failed as failure:
            print(f"bench: {bench}: {failure}", file=sys.stderr)
            failed = True
    for table in tables:
        failed |= print_table(context, table) != 0
    if chosen:
        print(run.to_json() if options.json else report.text(run), end="")
    if options.docs and not failed:
        report.renew(run, FIGURES, PAGE)
    if options.check:
        return check(context, run) or int(failed)
    if failed:
        return 1
    return STATUS_SKIPPED if chosen and not run.figures else 0


def print_table(context, name):
    print(f"# {name}", flush=True)
    return subprocess.run([context.program(name), *(["--small"] if context.small else [])], check=False).returncode


def check(context, run):
    """Says what got worse. What looks so is measured again, and counts only if it looks so again."""
    if not FIGURES.exists():
        print(f"bench: nothing to compare with: ./dev bench --docs writes {FIGURES.name}")
        return 1
    before = Run.from_json(FIGURES.read_text())
    suspects, compared = compare(before, run)
    again = Run(run.origins)
    context.found = again
    for bench, part in dict.fromkeys((figure.bench, part_of(figure)) for figure, _ in suspects):
        progress(f"bench: {bench}/{part} looks worse; once more")
        context.part = part
        run_bench(context, bench)
    names = {(figure.bench, figure.name) for figure, _ in suspects}
    worse = [sentence for figure, sentence in compare(before, again)[0] if (figure.bench, figure.name) in names]
    for sentence in worse:
        print(sentence)
    print(f"bench: {compared} figures compared with those of commit "
          f"{', '.join(sorted({before.origins[bench]['commit'] for bench in run.origins if bench in before.origins}))}"
          f", {len(worse)} worse")
    return 1 if worse or not compared else 0


def part_of(figure):
    """The filter that measures a figure again, its floor included."""
    words = figure.name.split()
    if figure.bench == "shards_echo":
        return words[1]
    if figure.bench in PROGRAMS:
        return figure.name.partition(" ")[2]  # the floor's, too
    if figure.bench in ("echo", "resp"):
        return " ".join(words[:-1])
    return words[0]


if __name__ == "__main__":
    sys.exit(main())
