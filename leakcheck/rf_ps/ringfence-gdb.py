# SPDX-License-Identifier: MIT
"""Tasks of a program with ringfence in it, for gdb: `source ringfence-gdb.py`, then

  rf tasks        every task: state, line, name
  rf task N       the same of task N
  rf task N bt    its chain of co_await lines, from the innermost out

Works on a process and on a core, with and without debug information: all that it knows of the program
is in the table `rf_registry`, see runtime/detail/registry.hpp.
"""

import re
import struct

import gdb

VERSION = 2
MAGIC = b"ringfence tasks\0"
HEAD = struct.Struct("<16sII16sQ")  # up to the list of loops
NOWHERE = 0xFFFFFFFF
# What follows in the table, in its order.
OFFSETS = """
    loop_live loop_root loop_now loop_beat loop_tasks_live loop_tasks_started hook_previous hook_next
    scope_bytes scope_tasks scope_children scope_parent scope_host scope_nursery scope_deadline scope_opened
    scope_cancelled_at scope_literal_reason scope_reason scope_kind scope_cause scope_cancelled scope_draining
    nursery_scope nursery_name
    task_bytes task_wait task_scope task_leaf task_id task_spawned task_named_tag task_state task_started
    task_service named_name named_spawned
    wait_since
    frame_bytes frame_at frame_created frame_link frame_link_tag link_parent link_parent_tag
    line_file line_function line_number""".split()
STATES = ["ready", "running", "waiting", "unwinding", "finished"]
LIBRARY = re.compile(r"^(runtime|io|sync|leakcheck)/|ringfence/")
ITEMS_MAX = 10_000_000


class Program:
    """The memory of what gdb looks at, by the program's own table."""

    def __init__(self):
        try:
            self.memory = gdb.selected_inferior()
            at = int(gdb.parse_and_eval("(unsigned long) &rf_registry"))
        except gdb.error as error:
            raise gdb.GdbError("rf: no symbol rf_registry: this program has no ringfence in it, or was stripped "
                               "(rf-ps finds it then), or gdb was not told which program it is: `file <program>`"
                               ) from error
        try:
            magic, version, size, library, self.first_loop = HEAD.unpack(self.read(at, HEAD.size))
        except gdb.MemoryError as error:
            raise gdb.GdbError("rf: the program does not run and there is no core: start it, attach to it, or "
                               "`core-file <core>`") from error
        library = library.rstrip(b"\0").decode(errors="replace")
        if magic != MAGIC:
            raise gdb.GdbError("rf: the memory at rf_registry is no registry: the program file is not the one that ran")
        if version != VERSION or size != HEAD.size + 4 * len(OFFSETS) + (-4 * len(OFFSETS)) % 8:
            raise gdb.GdbError(f"rf: the program's ringfence {library} has a registry of version {version}, and this "
                               f"script reads version {VERSION}: source the script that came with that ringfence")
        values = struct.unpack(f"<{len(OFFSETS)}I", self.read(at + HEAD.size, 4 * len(OFFSETS)))
        self.offset = dict(zip(OFFSETS, values))
        if not self.first_loop:
            raise gdb.GdbError("rf: no loop lives in this program: it has not called rf::run yet, or has left it")

    def read(self, at, size):
        return bytes(self.memory.read_memory(at, size))

    def word(self, at, name=None):
        return struct.unpack("<Q", self.read(at + (self.offset[name] if name else 0), 8))[0]

    def byte(self, at, name):
        return self.read(at + self.offset[name], 1)[0]

    def text(self, at):
        found = b""
        while at and len(found) < 4096:
            part = self.read(at, 64 - at % 64)
            found += part.split(b"\0")[0]
            if b"\0" in part:
                break
            at += len(part)
        return found.decode(errors="replace")

    def line(self, at, name):
        """(file, function, line) that the program noted there; None if it noted none."""
        return self.line_at(self.word(at, name) if self.offset[name] != NOWHERE else 0)

    def origin(self, task):
        """The task's name, empty if it has none, and the line that spawned it."""
        at = self.word(task, "task_spawned")
        if not at & self.offset["task_named_tag"]:
            return "", self.line_at(at)
        both = at & ~self.offset["task_named_tag"]
        return self.text(self.word(both, "named_name")), self.line(both, "named_spawned")

    def line_at(self, place):
        if not place:
            return None
        number = struct.unpack("<I", self.read(place + self.offset["line_number"], 4))[0]
        return self.text(self.word(place, "line_file")), self.text(self.word(place, "line_function")), number

    def items(self, head):
        """What is in a list. A damaged one ends where it breaks."""
        before, at = head, self.word(head, "hook_next")
        for _ in range(ITEMS_MAX):
            if at == head:
                return
            if self.word(at, "hook_previous") != before:
                print("rf: a list of tasks is damaged; some are missing")
                return
            yield at
            before, at = at, self.word(at, "hook_next")

    def tasks(self):
        """Of all loops, each with its loop's number, by age."""
        loops, at = [], self.first_loop
        while at and len(loops) < 4096:
            loops.insert(0, at - self.offset["loop_live"])
            at = self.word(at)
        for number, loop in enumerate(loops, 1):
            found, scopes = [], [loop + self.offset["loop_root"]]
            while scopes:
                scope = scopes.pop()
                found += self.items(scope + self.offset["scope_tasks"])
                scopes += self.items(scope + self.offset["scope_children"])
            for task in sorted(found, key=lambda one: self.word(one, "task_id")):
                yield number, task

    def frames(self, task):
        at = self.word(task, "task_leaf")
        for _ in range(100_000):
            if not at:
                return
            yield at
            link = self.word(at, "frame_link") & ~self.offset["frame_link_tag"]
            at = self.word(link, "link_parent") & ~self.offset["link_parent_tag"] if link else 0


def place_words(line):
    return f"{line[0]}:{line[2]}" if line else "an unknown line"


def function_words(line):
    """A function's name without return type and arguments."""
    if not line:
        return "?"
    name = re.sub(r"\s*\[[\w ]+ = .*\]$", "", line[1])
    name = name.replace("(anonymous namespace)::", "").replace("{anonymous}::", "")
    plain = re.match(r"(?:.*?[\s*&>])?([\w:~]+(?:<[^(]*>)?(?:::\w+)*)\s*\(", name)
    return plain[1] if plain and "lambda" not in name else name


def frame_words(program, frame):
    at, created = program.line(frame, "frame_at"), program.line(frame, "frame_created")
    if not at or not at[2]:
        return f"at the beginning of {function_words(created)} ({place_words(created)})"
    return f"at {place_words(at)} in {function_words(created)}"


def is_library(program, frame):
    line = program.line(frame, "frame_at") or program.line(frame, "frame_created")
    return bool(line and LIBRARY.search(line[0]))


def wait_words(program, task):
    """What gdb knows of the type of the wait; nothing without symbols."""
    functions = program.word(program.word(task, "task_wait"))
    symbol = gdb.execute(f"info symbol {functions}", to_string=True)
    named = re.match(r"vtable for (?:rf::)?(.*?) \+ \d+ in section", symbol)
    return f" for {re.sub('rf::|detail::', '', named[1])}" if named else ""


def task_words(program, loop, task):
    name, spawned = program.origin(task)
    state = program.byte(task, "task_state")
    words = STATES[state] if state < len(STATES) else "damaged"
    if words == "waiting":
        words += wait_words(program, task)
    frames = list(program.frames(task))
    shown = [frame for frame in frames if not is_library(program, frame)] or frames
    return (f"task {program.word(task, 'task_id')}" + (f' "{name}"' if name else "") + f" of loop {loop}: {words}" +
            (f", {frame_words(program, shown[0])}" if shown else "") +
            f" (spawned at {place_words(spawned)})")


class Prefix(gdb.Command):
    """Tasks of ringfence."""

    def __init__(self):
        super().__init__("rf", gdb.COMMAND_STACK, prefix=True)


class Tasks(gdb.Command):
    """rf tasks: every task, with its state and the line that it is at."""

    def __init__(self):
        super().__init__("rf tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, _from_tty):
        if argument:
            raise gdb.GdbError("usage: rf tasks")
        program = Program()
        for loop, task in program.tasks():
            print(task_words(program, loop, task))


class Task(gdb.Command):
    """rf task N: one task. rf task N bt: its chain of co_await lines, from the innermost out.

    With several loops, the tasks of that number in each of them."""

    def __init__(self):
        super().__init__("rf task", gdb.COMMAND_STACK)

    def invoke(self, argument, _from_tty):
        asked = re.fullmatch(r"\s*(\d+)(\s+bt)?\s*", argument)
        if not asked:
            raise gdb.GdbError("usage: rf task <number> [bt]")
        program, found = Program(), False
        for loop, task in program.tasks():
            if program.word(task, "task_id") != int(asked[1]):
                continue
            found = True
            print(task_words(program, loop, task))
            for number, frame in enumerate(program.frames(task) if asked[2] else []):
                print(f"#{number:<3} {frame_words(program, frame)}")
        if not found:
            raise gdb.GdbError(f"rf: there is no task {asked[1]}; `rf tasks` lists those that live")


Prefix()
Tasks()
Task()
