#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What examples/stuck_report writes is read by others: JSON, gzip, and `go tool pprof` where it is installed."""

import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

KINDS = ["task", "taskleak", "fd", "inflight", "timer", "block"]
STATUS_SKIPPED = 77


def fields(data):
    """(number, value) of each field of a protocol buffer: an int, or bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = varint()
        value = varint()
        if tag & 7 == 2:
            value, at = data[at:at + value], at + value
        elif tag & 7 != 0:
            raise ValueError(f"wire type {tag & 7} is in no profile")
        yield tag >> 3, value


class StuckReport(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.folder.name)
        program = pathlib.Path(os.environ["RF_TEST_EXAMPLES"]) / "stuck_report"
        cls.done = subprocess.run([program, cls.path], capture_output=True, text=True, timeout=60, check=False)
        if cls.done.returncode == STATUS_SKIPPED:
            raise unittest.SkipTest("built without profiles")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_ends_well_and_writes_all(self):
        self.assertEqual((self.done.returncode, self.done.stderr), (0, ""))
        names = sorted(path.name for path in self.path.iterdir())
        self.assertEqual(names, sorted([f"{kind}.pb.gz" for kind in [*KINDS, "growth"]] +
                                       ["tasks.txt", "tasks.json", "tasks.folded"]))

    def test_json_is_the_tree(self):
        seen = json.loads((self.path / "tasks.json").read_text())
        self.assertEqual(seen["version"], 1)
        self.assertEqual(len(seen["tasks"]), seen["tasks_live"])
        scopes = {scope["scope"]: scope for scope in seen["scopes"]}
        tasks = {task["task"]: task for task in seen["tasks"]}
        workers = [task for task in tasks.values() if scopes[task["nursery"]].get("name") == "workers"]
        self.assertEqual(len(workers), 6)
        stuck = [task for task in workers if task.get("name") == "transfer"]
        # Each waits for the other.
        self.assertEqual({task["wait"]["owner_task"] for task in stuck}, {task["task"] for task in stuck})
        for scope in scopes.values():
            self.assertIn(scope.get("parent", 0), scopes)
            self.assertIn(scope.get("host_task", workers[0]["task"]), tasks)

    def test_folded_stacks_end_with_a_count(self):
        lines = (self.path / "tasks.folded").read_text().splitlines()
        self.assertTrue(all(re.fullmatch(r"root;.*\[\w+\] \d+", line) for line in lines), lines)
        self.assertTrue(any(line.endswith("[event] 3") for line in lines), lines)

    def test_profiles_are_whole(self):
        for kind in [*KINDS, "growth"]:
            with self.subTest(kind):
                found = list(fields(gzip.decompress((self.path / f"{kind}.pb.gz").read_bytes())))
                texts = [value.decode() for number, value in found if number == 6]
                self.assertEqual(texts[0], "")
                locations = {dict(fields(value))[1] for number, value in found if number == 4}
                samples = [list(fields(value)) for number, value in found if number == 2]
                self.assertTrue(samples)
                for sample in samples:
                    stack = next(value for number, value in sample if number == 1)
                    self.assertLessEqual(set(stack), locations)  # ids below 128 are single bytes

    def test_go_tool_pprof_reads_them(self):
        go = shutil.which("go")
        if go is None:
            self.skipTest("go is not installed")
        for kind in [*KINDS, "growth"]:
            for how in ["-top", "-traces", "-tags"]:
                with self.subTest(kind=kind, how=how):
                    done = subprocess.run([go, "tool", "pprof", how, f"{self.path}/{kind}.pb.gz"],
                                          capture_output=True, text=True, timeout=120, check=False)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertNotIn("not available", done.stderr)
                    if kind == "taskleak" and how == "-top":
                        self.assertIn("transfer", done.stdout)
                        self.assertRegex(done.stdout, r"of 2 total")
                    if kind == "taskleak" and how == "-traces":
                        self.assertRegex(done.stdout, r"verdict: *cycle")
                    if kind in ("fd", "inflight") and how == "-traces":
                        for label in ("state", "scope", "age", "task", "object"):
                            self.assertRegex(done.stdout, rf"\n *{label}: *\S")
                    if kind == "timer" and how == "-traces":  # the caller stands below the deadline
                        self.assertRegex(done.stdout, r"serve_orders\n +.*service")
                    if kind == "growth" and how == "-top":
                        self.assertRegex(done.stdout, r"Type: growth")
                        self.assertRegex(done.stdout, r" 3 .*next_order")  # three wait there
                        self.assertRegex(done.stdout, r"tasks spawned at")

    @staticmethod
    def fetch(address):
        give_up = time.monotonic() + 60
        while True:  # it says where it will listen before it does
            try:
                return urllib.request.urlopen(address, timeout=60).read().decode()
            except urllib.error.URLError:
                if time.monotonic() > give_up:
                    raise
                os.sched_yield()

    def test_go_tool_pprof_shows_them_as_a_page(self):
        go = shutil.which("go")
        if go is None:
            self.skipTest("go is not installed")
        server = subprocess.Popen([go, "tool", "pprof", "-no_browser", "-http=127.0.0.1:",
                                   f"{self.path}/task.pb.gz"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            address = None
            while address is None:
                line = server.stderr.readline()
                self.assertNotEqual(line, "", "the server ended")
                found = re.search(r"http://\S+", line)
                address = found and found.group().rstrip("/")
            for page, words in [("/ui/top", "transfer"), ("/ui/peek", "transfer"), ("/ui/flamegraph", "transfer")]:
                self.assertIn(words, self.fetch(address + page))
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # `go` starts the server as a child
            server.wait()
            server.stderr.close()


if __name__ == "__main__":
    unittest.main()
