# SPDX-License-Identifier: MIT
"""Starting what is measured: on one processor, ahead of other jobs where that is allowed."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

START_SECONDS_MAX = 10


def processors():
    return sorted(os.sched_getaffinity(0))


def may_go_first():
    """Whether a realtime priority is to be had. With it, other jobs on the machine get what is left."""
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        return False
    os.sched_setscheduler(0, policy, parameter)
    return True


def pinned(processor, first=True):
    """For subprocess's preexec_fn. `processor` is one or a set of them."""
    def prepare():
        os.sched_setaffinity(0, processor if isinstance(processor, set) else {processor})
        if first:
            with contextlib.suppress(OSError):
                os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    return prepare


class Failed(Exception):
    """A program did not do what it should; the text says which and how."""


class Server:
    """A server that prints "listening on ADDRESS:PORT" when it is ready, and its totals at the end."""

    def __init__(self, command, processor, environment=None, first=True):
        self.command = [str(part) for part in command]
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **(environment or {})},
                                        preexec_fn=pinned(processor, first))
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            self.process.kill()
            self.process.wait()
            raise Failed(f"{' '.join(self.command)} did not start: it said {line.strip()!r}")
        self.port = int(line.rpartition(":")[2])

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        """Ends it. Returns what it printed last, as a dictionary of numbers."""
        self.process.terminate()
        try:
            output, _ = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise Failed(f"{' '.join(self.command)} did not end") from None
        return numbers(output)


def may_trace():
    return shutil.which("strace") is not None


class Trace:
    """Counts the system calls of a program that is started by command(); what it costs in time does not count."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.file = pathlib.Path(self.folder.name) / "calls"

    def command(self, command):
        # -D: the program, and not strace, is our child.
        return ["strace", "-D", "-f", "-c", "-U", "calls,name", "-o", str(self.file), *command]

    def total(self):
        """After its end. None if strace said nothing, as where it may not trace."""
        end = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                for line in self.file.read_text().splitlines():
                    if line.split()[1:] == ["total"]:
                        return int(line.split()[0])
            time.sleep(0.02)
        return None


class Allocations:
    """Counts the allocations of a program that is started by command(), by a library loaded before all others."""

    def __init__(self, library):
        self.library = library
        self.folder = tempfile.TemporaryDirectory()
        self.file = pathlib.Path(self.folder.name) / "count"

    def command(self, command):
        return ["env", f"LD_PRELOAD={self.library}", f"COUNT_ALLOCATIONS_TO={self.file}", *command]

    def total(self):
        """After its end."""
        try:
            return int(numbers(self.file.read_text())["allocations"])
        except OSError:
            raise Failed(f"a program ended without counting its allocations: {self.library} was not loaded") from None


def numbers(text):
    """The name=value pairs in `text` whose value is a number."""
    found = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if equals:
            with contextlib.suppress(ValueError):
                found[name] = float(value)
    return found


def run_pinned(command, processor, timeout, first=True):
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True,
                          timeout=timeout, check=False, preexec_fn=pinned(processor, first))
    if done.returncode != 0:
        raise Failed(f"{' '.join(str(part) for part in command)} failed: "
                     f"{(done.stderr or done.stdout).strip()}")
    return done.stdout


def processor_ns(pid):
    """Time that all threads of a process have run, from the scheduler's own account."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total += int(task.read_text().split()[0])
    return total


def wait_for_port(port, process):
    """Until something listens on a port of this machine."""
    import socket  # only what does not announce itself needs it
    end = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise Failed(f"nothing listens on port {port}")


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def progress(text):
    print(text, file=sys.stderr, flush=True)
