#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""rf-ps and the script for gdb: what they show of a process and of a core, and how they refuse."""

import ctypes
import errno
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

SOURCE = pathlib.Path(os.environ["RF_TEST_SOURCE"])
sys.path.insert(0, str(SOURCE / "tests/examples"))

from programs import EXAMPLES, PATIENCE, Server, main, read_exactly, wait_until  # noqa: E402

RF_PS = pathlib.Path(os.environ["RF_TEST_RF_PS"])
SCRIPT = SOURCE / "leakcheck/rf_ps/ringfence-gdb.py"
PROGRAM = EXAMPLES / "stuck_service"
MAGIC = b"ringfence tasks\0"
VERSION = 2  # of the registry
NOBODY = 65534


def line_of(code):
    """Where examples/stuck_service.cpp says that, as reports name it."""
    lines = (SOURCE / "examples/stuck_service.cpp").read_text().splitlines()
    found = [number for number, line in enumerate(lines, 1) if code in line]
    assert len(found) == 1, (code, found)
    return f"examples/stuck_service.cpp:{found[0]}"


SECOND_LOCK = line_of("co_await to.lock()")
EVENT = line_of("co_await come.wait()")
TIMEOUT = line_of("co_await rf::with_timeout")
SPAWN_ORDERS = line_of("workers.spawn(serve_orders")
AGE = r"(?:\d{1,2}\.\d s|\d+ ms)"  # a minute and more would be that of something else
SLEEP = line_of("co_await rf::sleep_for(1h)")


YOURS_AND_CLOSED = r"is yours, but the kernel does not let you read it: run rf-ps as root, with the capability " \
                   r"SYS_PTRACE, or after `sysctl kernel\.yama\.ptrace_scope=0`; programs that changed their user are " \
                   r"closed to all but root"


def forbid_reading_others():
    """From now on process_vm_readv answers EPERM, as it does under kernel.yama.ptrace_scope=1."""
    number = {"x86_64": 310, "aarch64": 270}[os.uname().machine]
    load_number, equal, answer = 0x20, 0x15, 0x06  # of a program for the kernel's filter of system calls
    allow, refuse = 0x7FFF0000, 0x00050000 | errno.EPERM
    steps = [(load_number, 0, 0, 0), (equal, 0, 1, number), (answer, 0, 0, refuse), (answer, 0, 0, allow)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, program, 0, 0) != 0:  # no new privileges; the filter
        raise OSError(ctypes.get_errno(), "prctl")


def rf_ps(*arguments, **options):
    return subprocess.run([options.pop("program", RF_PS), *map(str, arguments)], capture_output=True, errors="replace",
                          timeout=PATIENCE, check=False, **options)


class Stuck:
    """The example, stuck, in a folder where it may leave a core."""

    def __init__(self, program=PROGRAM, folder=None):
        unlimited = lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)  # noqa: E731
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        self.process = subprocess.Popen([program], stdout=subprocess.PIPE, text=True, cwd=folder,
                                        preexec_fn=unlimited if hard == resource.RLIM_INFINITY else None)
        said = self.process.stdout.readline()
        if said != "stuck\n":
            self.process.kill()
            raise AssertionError(f"stuck_service said {said!r}")
        self.pid = self.process.pid
        wait_until(self.process, self.sleeps, "it sleeps")

    def status(self, field):
        return re.search(rf"^{field}:\s*(.*)$", pathlib.Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)[1]

    def sleeps(self):
        return self.status("State").startswith("S")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def shown(self, *arguments):
        done = rf_ps(*arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def refused(self, done, pattern):
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stderr, rf"\Arf-ps: {pattern}\n\Z")

    def other_version(self):
        """A copy of the example whose registry says that it is of version 99, of ringfence 9.9.9."""
        bytes_ = bytearray(PROGRAM.read_bytes())
        at = bytes_.find(MAGIC + VERSION.to_bytes(4, "little"))
        if at < 0:
            self.skipTest("ringfence is a file of its own here")
        bytes_[at + 16:at + 20] = (99).to_bytes(4, "little")
        bytes_[at + 24:at + 40] = b"9.9.9".ljust(16, b"\0")
        copy = self.folder / "other_version"
        copy.write_bytes(bytes_)
        copy.chmod(0o755)
        return copy

    def core_of(self, stuck):
        """What the kernel leaves of it when it crashes."""
        pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
        if "/" in pattern or pattern.startswith("|"):
            self.skipTest(f"cores go elsewhere: {pattern}")
        if b"__asan_init" in PROGRAM.read_bytes():
            self.skipTest("the address sanitizer makes cores of terabytes, or none")
        if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
            self.skipTest("cores are limited in size")
        os.kill(stuck.pid, signal.SIGABRT)
        stuck.process.wait()
        cores = list(self.folder.glob("core*"))
        self.assertEqual(len(cores), 1)
        return cores[0]

    def check_tree(self, text):
        self.assertRegex(text, r"(?m)^loop 1: 6 tasks alive, 6 started$")
        self.assertRegex(text, r'nursery "workers", 5 alive \(opened at examples/stuck_service\.cpp:\d+\)')
        transfer = rf'task \d+ "transfer": wait for sync::\S*, {AGE} \(spawned at [^\n]*\)\n +at {SECOND_LOCK} in [^\n]*transfer\n'
        self.assertEqual(len(re.findall(transfer, text)), 2, text)
        order = rf"task \d+: wait for sync::\S*, {AGE} \(spawned at {SPAWN_ORDERS}\)\n" \
                rf" +at {EVENT} in [^\n]*next_order\n" \
                rf" +at {TIMEOUT} in [^\n]*serve_orders\n *timeout, [\d.]+ s left"
        self.assertEqual(len(re.findall(order, text)), 3, text)
        self.assertIn(f"at {SLEEP} in", text)
        self.assertNotIn("left out", text)


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


class Refusals(Case):
    def test_arguments(self):
        for words in [["x"], ["-1"], ["0"], ["1", "2"], ["--tree"], ["--core"], ["--core", ""], ["--exe", "x"],
                      ["1", "--core", "x"], ["99999999999"]]:
            with self.subTest(words=words):
                done = rf_ps(*words)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertTrue(done.stderr.startswith("usage: rf-ps"))

    def test_the_version_is_the_projects(self):
        version = re.search(r"version: '([^']+)'", (SOURCE / "meson.build").read_text())[1]
        self.assertEqual(self.shown("--version"), f"rf-ps of ringfence {version}, registry version 2\n")

    def test_no_such_process(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        self.refused(rf_ps(gone.pid), rf"there is no process {gone.pid}: it has ended, or never was")

    def test_one_that_has_ended(self):
        with Stuck() as stuck:
            os.kill(stuck.pid, signal.SIGKILL)
            os.waitid(os.P_PID, stuck.pid, os.WEXITED | os.WNOWAIT)
            self.refused(rf_ps(stuck.pid), rf"process {stuck.pid} has ended; its parent has not asked for its status yet, "
                                           r"and nothing else is left of it")

    def test_one_that_dies_meanwhile(self):
        for _ in range(20):
            with Stuck() as stuck:
                looks = subprocess.Popen([RF_PS, "--tree", str(stuck.pid)], stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True)
                os.kill(stuck.pid, signal.SIGKILL)
                out, err = looks.communicate(timeout=PATIENCE)
                if looks.returncode == 0:
                    self.check_tree(out)
                    continue
                self.assertEqual(looks.returncode, 1)
                self.assertRegex(err, rf"\Arf-ps: process {stuck.pid}[^\n]* ended [^\n]*\n\Z|"
                                      rf"\Arf-ps: process {stuck.pid} has ended; [^\n]*\n\Z")

    def test_a_program_without_ringfence(self):
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
            wait_until(other, lambda: os.readlink(f"/proc/{other.pid}/exe").endswith(("cat", "coreutils", "busybox")),
                       "it runs")
            self.refused(rf_ps(other.pid), rf"process {other.pid} \(\S*\) is not a program with ringfence in it, or its "
                                           r"ringfence is older than rf-ps")

    def test_another_version(self):
        with Stuck(self.other_version()) as stuck:
            sentence = rf"process {stuck.pid} \(\S*other_version\) has ringfence 9\.9\.9 in it, whose registry is of " \
                       r"version 99 \(\d+ bytes\); this rf-ps is of ringfence [\d.]+ and reads version 2 \(\d+ bytes\): " \
                       r"use the rf-ps that came with the program's ringfence"
            self.refused(rf_ps("--tree", stuck.pid), sentence)
            self.assertRegex(self.shown(), rf"(?m)^ *{stuck.pid} +- +-  {sentence}$")

    def test_another_users(self):
        if os.geteuid() != 0:
            self.skipTest("only root can be two users")
        copy = self.folder / "rf-ps"
        shutil.copy(RF_PS, copy)
        self.folder.chmod(0o755)
        with Stuck() as stuck:
            as_nobody = {"program": copy, "user": NOBODY, "extra_groups": [], "cwd": "/"}
            self.refused(rf_ps(stuck.pid, **as_nobody),
                         rf"process {stuck.pid} is of user root, and you are \S+: run rf-ps as root")
            done = rf_ps(**as_nobody)
            self.assertEqual(done.returncode, 0)
            self.assertRegex(done.stdout, r"processes that you may not read: \d+; run rf-ps as root to see all, or "
                                          r"`rf-ps <pid>` to be told why\n\Z")


    def test_one_that_is_closed_to_its_own_user(self):
        """As programs are that have changed their user."""
        if os.geteuid() != 0:
            self.skipTest("only root can be two users")
        copy = self.folder / "rf-ps"
        shutil.copy(RF_PS, copy)
        self.folder.chmod(0o755)
        closes_itself = "import ctypes, time; ctypes.CDLL(None).prctl(4, 0); print('closed', flush=True); time.sleep(600)"
        as_nobody = {"user": NOBODY, "extra_groups": [], "cwd": "/"}
        with subprocess.Popen(["/usr/bin/python3", "-c", closes_itself], stdout=subprocess.PIPE, text=True,
                              **as_nobody) as closed:
            try:
                self.assertEqual(closed.stdout.readline(), "closed\n")
                self.refused(rf_ps(closed.pid, program=copy, **as_nobody), rf"process {closed.pid} {YOURS_AND_CLOSED}")
            finally:
                closed.kill()

    def test_what_ptrace_scope_forbids(self):
        with Stuck() as stuck:
            done = rf_ps("--tree", stuck.pid, preexec_fn=forbid_reading_others)
            self.refused(done, rf"process {stuck.pid} \(\S*\) {YOURS_AND_CLOSED}")


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
