#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""rf-ps and the script for gdb: what they show of a process and of a core."""

import os
import random
import re
import shutil
import socket
import subprocess
import threading
import unittest

from stuck import Case, EVENT, PROGRAM, RF_PS, SCRIPT, SECOND_LOCK, SPAWN_ORDERS, Stuck, TIMEOUT, rf_ps
from programs import PATIENCE, Server, main, read_exactly  # on the path because of stuck


class Live(Case):
    def test_the_list_has_it_with_its_tasks(self):
        with Stuck() as stuck:
            self.assertRegex(self.shown(), rf"(?m)^ *PID +LOOPS +TASKS +PROGRAM\n(?:.*\n)* *{stuck.pid} +1 +6  \S*stuck_service$")

    def test_the_tree_names_the_lines(self):
        with Stuck() as stuck:
            text = self.shown("--tree", stuck.pid)
            self.check_tree(text)
            self.assertTrue(text.startswith(f"process {stuck.pid} ({PROGRAM}): ringfence "), text)
            self.assertNotIn("not all of it was so", text)

    def test_tasks_one_a_line(self):
        with Stuck() as stuck:
            text = self.shown(stuck.pid)
            self.assertEqual(len(re.findall(r"(?m)^  task \d+", text)), 6)
            self.assertRegex(text, rf'task \d+ "transfer": wait for sync::\S*, [^\n]*, at {SECOND_LOCK} in [^\n]*transfer ')

    def test_the_process_does_not_notice(self):
        with Stuck() as stuck:
            def switches():
                return stuck.status("voluntary_ctxt_switches"), stuck.status("nonvoluntary_ctxt_switches")
            seen = []
            for _ in range(5):  # it may have been on its way to its last sleep
                seen.append(switches())
                self.shown("--tree", stuck.pid)
            seen.append(switches())
            self.assertLess(len(set(seen)), len(seen))

    def test_without_symbols_it_is_found_too(self):
        strip = shutil.which("strip") or shutil.which("llvm-strip-19")
        if strip is None:
            self.skipTest("strip is not installed")
        copy = self.folder / "stripped"
        subprocess.run([strip, "-o", copy, PROGRAM], check=True)
        with Stuck(copy) as stuck:
            self.check_tree(self.shown("--tree", stuck.pid))

    def test_a_program_that_was_replaced_is_read_from_what_runs(self):
        copy = self.folder / "replaced"
        shutil.copy(PROGRAM, copy)
        with Stuck(copy) as stuck:
            copy.unlink()
            copy.write_text("something else\n")
            self.check_tree(self.shown("--tree", stuck.pid))

    def test_a_busy_one_with_two_loops(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with Server("echo_server", port, "--shards", 2) as server:
            over = threading.Event()

            def chat():
                with server.connect() as peer:
                    while not over.is_set():
                        peer.sendall(b"x")
                        read_exactly(peer, 1)
            peers = [threading.Thread(target=chat) for _ in range(4)]
            try:
                for peer in peers:
                    peer.start()
                for _ in range(20):
                    text = self.shown("--tree", server.process.pid)
                    self.assertRegex(text, r"(?m)^loop 1: \d+ tasks alive")
                    self.assertRegex(text, r"(?m)^loop 2: \d+ tasks alive")
            finally:
                over.set()
                for peer in peers:
                    peer.join()


class Core(Case):
    def test_the_tree_of_a_crash(self):
        with Stuck(folder=self.folder) as stuck:
            core = self.core_of(stuck)
        text = self.shown("--tree", "--core", core)
        self.check_tree(text)
        self.assertIn(f"core file {core} of {PROGRAM}: ringfence ", text)
        self.assertEqual(len(re.findall(r"(?m)^  task \d+", self.shown("--core", core))), 6)

    def test_the_tree_of_a_copy_by_gcore(self):
        if shutil.which("gcore") is None:
            self.skipTest("gcore is not installed")
        if b"__asan_init" in PROGRAM.read_bytes():
            self.skipTest("the address sanitizer makes cores of terabytes, or none")
        with Stuck() as stuck:
            subprocess.run(["gcore", "-o", self.folder / "copy", str(stuck.pid)], check=True, capture_output=True)
            self.check_tree(self.shown("--tree", "--core", self.folder / f"copy.{stuck.pid}"))

    def test_a_program_that_is_elsewhere_now_can_be_named(self):
        copy = self.folder / "deployed"
        shutil.copy(PROGRAM, copy)
        with Stuck(copy, folder=self.folder) as stuck:
            core = self.core_of(stuck)
        copy.unlink()
        self.refused(rf_ps("--core", core), r"cannot open \S*deployed: No such file or directory; name the program that "
                                            r"crashed with --exe")
        self.check_tree(self.shown("--tree", "--core", core, "--exe", PROGRAM))
        self.refused(rf_ps("--core", core, "--exe", RF_PS),
                     rf"core file \S* of \S*deployed is of another build than {RF_PS} is now: name the program that "
                     r"crashed with --exe")

    def test_one_that_is_cut_short_is_refused_at_every_length(self):
        with Stuck(folder=self.folder) as stuck:
            core = self.core_of(stuck)
        size = core.stat().st_size
        for left in [size - 1, size // 2, 8192, 4096, 100]:
            os.truncate(core, left)
            self.refused(rf_ps("--core", core),
                         rf"core file \S* is cut short: it has {left} of \d+ bytes; raise `ulimit -c`, or make room "
                         r"where cores are written, and have it written anew")
        os.truncate(core, 10)
        self.refused(rf_ps("--core", core), r"\S* is not a core file of this kind of machine")

    def test_one_that_is_damaged_is_shown_in_part_or_refused(self):
        with Stuck(folder=self.folder) as stuck:
            core = self.core_of(stuck)
        good = core.read_bytes()
        pointers = [at for at in range(0, len(good) - 8, 8) if good[at + 5:at + 8] in (b"\x55\0\0", b"\x7f\0\0")]
        self.assertGreater(len(pointers), 100)
        for seed in range(40):
            with self.subTest(seed=seed):
                choice = random.Random(seed)
                bad = bytearray(good)
                for _ in range(choice.choice([5, 50, 500, 3000])):
                    at, other = choice.choice(pointers), choice.choice(pointers)
                    bad[at:at + 8] = choice.choice([bytes(8), b"\xff" * 8, bad[other:other + 8]])
                core.write_bytes(bad)
                done = rf_ps("--tree", "--core", core)
                if done.returncode == 0:
                    self.assertRegex(done.stdout, r"(?m)^loop 1: |, 0 loops$")
                else:
                    self.refused(done, r"[^\n]*")

    def test_what_is_no_core_is_refused(self):
        self.refused(rf_ps("--core", PROGRAM), r"\S* is not a core file of this kind of machine")
        self.refused(rf_ps("--core", self.folder), r"\S* is not a core file of this kind of machine")
        self.refused(rf_ps("--core", "/nowhere"), r"cannot open /nowhere: No such file or directory")


@unittest.skipIf(shutil.which("gdb") is None, "gdb is not installed")
class Gdb(Case):
    def gdb(self, *arguments, commands):
        words = [word for command in [f"source {SCRIPT}", *commands] for word in ("-ex", command)]
        done = subprocess.run(["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", *map(str, arguments), *words],
                              capture_output=True, text=True, timeout=PATIENCE, check=False)
        return done.stdout + done.stderr

    def check(self, text):
        tasks = re.findall(rf'(?m)^task (\d+) "transfer" of loop 1: waiting[^\n]*, at {SECOND_LOCK} in transfer '
                           r"\(spawned at [^\n]*\)$", text)
        self.assertEqual(len(tasks), 2, text)
        self.assertEqual(len(re.findall(rf"(?m)^task \d+ of loop 1: waiting[^\n]*, at {EVENT} in next_order "
                                        rf"\(spawned at {SPAWN_ORDERS}\)$", text)), 4, text)  # one of them asked for
        self.assertRegex(text, rf"(?m)^#0 +at {EVENT} in next_order\n(?:#[^\n]*\n)*#\d+ +at {TIMEOUT} in serve_orders$")

    def number_of_order(self, pid):
        return re.search(rf"task (\d+): [^\n]*{SPAWN_ORDERS}", self.shown(pid))[1]

    def test_a_process(self):
        with Stuck() as stuck:
            order = self.number_of_order(stuck.pid)
            text = self.gdb("-p", stuck.pid, commands=["rf tasks", f"rf task {order} bt"])
            if "ptrace: " in text:
                self.skipTest("gdb may not attach here")
            self.check(text)

    def test_a_core(self):
        with Stuck(folder=self.folder) as stuck:
            order = self.number_of_order(stuck.pid)
            core = self.core_of(stuck)
        self.check(self.gdb(PROGRAM, core, commands=["rf tasks", f"rf task {order} bt"]))
        text = self.gdb(PROGRAM, core, commands=["rf task 999", "rf task x", "rf task"])
        self.assertIn("rf: there is no task 999; `rf tasks` lists those that live", text)
        self.assertIn("usage: rf task <number> [bt]", text)

    def test_refusals(self):
        self.assertRegex(self.gdb("/bin/true", commands=["rf tasks"]),
                         r"rf: no symbol rf_registry: this program has no ringfence in it, or was stripped")
        with Stuck(self.other_version(), folder=self.folder) as stuck:
            core = self.core_of(stuck)
        self.assertIn("rf: the program's ringfence 9.9.9 has a registry of version 99, and this script reads version 2: "
                      "source the script that came with that ringfence",
                      self.gdb(self.folder / "other_version", core, commands=["rf tasks"]))


if __name__ == "__main__":
    main()
