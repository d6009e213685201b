# SPDX-License-Identifier: MIT
"""What the tests of rf-ps share: the example that is stuck, cores of it, and what its tree looks like."""

import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["RF_TEST_SOURCE"])
sys.path.insert(0, str(SOURCE / "tests/examples"))

from programs import EXAMPLES, PATIENCE, wait_until  # noqa: E402

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
        try:
            wait_until(self.process, self.sleeps, "it sleeps")
        except BaseException:
            self.process.kill()
            raise

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
