# SPDX-License-Identifier: MIT
"""Starts the examples for the tests, speaks to them, and stops them."""

import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import time
import unittest

EXAMPLES = pathlib.Path(os.environ.get("RF_TEST_EXAMPLES", "build/examples"))
ALL = "RF_TEST_ALL" in os.environ
PATIENCE = 60  # seconds, for what should take none: sanitizers and busy machines are slow


def run(name, *arguments, stdin=None, timeout=PATIENCE):
    """Runs an example to its end."""
    return subprocess.run([EXAMPLES / name, *map(str, arguments)], input=stdin, text=True,
                          capture_output=True, timeout=timeout)


class Server:
    """An example that says `listening on <address>:<port>` and serves until it is told to stop."""

    def __init__(self, name, *arguments):
        self.process = subprocess.Popen([EXAMPLES / name, *map(str, arguments)], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line.startswith("listening on 127.0.0.1:"):
            self.process.kill()
            raise AssertionError(f"{name} said {line!r}, then {self.process.communicate()}")
        self.port = int(line.rpartition(":")[2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def connect(self):
        stream = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return stream

    def stop(self, how=signal.SIGTERM):
        """Asks it to end. Returns its status, and what else it printed."""
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def keeps_freed_memory(self):
        """Whether it was built with the address sanitizer, so that its size says nothing."""
        return b"__asan_init" in pathlib.Path(self.process.args[0]).read_bytes()

    def read_errors_until(self, text):
        """What it prints to standard error, up to and with `text`."""
        seen = ""
        descriptor = self.process.stderr.fileno()
        end = time.monotonic() + PATIENCE
        while text not in seen and time.monotonic() < end:
            if select.select([descriptor], [], [], 1)[0]:
                seen += os.read(descriptor, 65536).decode()
        return seen


def wait_until(process, holds, what):
    """Looks again and again whether something holds that a running program should bring about."""
    end = time.monotonic() + PATIENCE
    while not holds():
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            if time.monotonic() > end:
                raise AssertionError(f"waited {PATIENCE} s in vain until {what}") from None
            continue
        if not holds():
            raise AssertionError(f"the program ended with {process.returncode}, not when {what}")


def read_all(stream):
    parts = []
    while part := stream.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def read_exactly(stream, size):
    parts = []
    while size > 0:
        part = stream.recv(min(size, 1 << 16))
        if not part:
            raise AssertionError(f"the stream ended with {size} bytes missing")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


NOTHING_LEFT = "exit: 0 tasks, 0 operations, 0 timers, 0 buffers, 0 descriptors"


def main():
    """unittest.main, with a last line that the suite can count."""
    result = unittest.main(exit=False).result
    failed = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    print(f"{result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)
