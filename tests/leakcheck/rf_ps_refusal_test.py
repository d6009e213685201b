#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""rf-ps: each bad input is one clear sentence."""

import ctypes
import errno
import os
import re
import shutil
import signal
import struct
import subprocess

from stuck import Case, NOBODY, RF_PS, SOURCE, Stuck, rf_ps
from programs import PATIENCE, main, wait_until  # on the path because of stuck


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


if __name__ == "__main__":
    main()
