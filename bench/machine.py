# SPDX-License-Identifier: MIT
"""Where a run took place: processor, kernel, compiler, commit. No date, so that a rerun changes only figures."""

import json
import os
import pathlib
import platform
import subprocess
import time


def first_line(command, folder=None):
    try:
        done = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)
    except OSError:
        return ""
    return done.stdout.splitlines()[0].strip() if done.returncode == 0 and done.stdout else ""


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def commit(root):
    name = first_line(["git", "rev-parse", "--short=12", "HEAD"], root)
    if not name:
        return "unknown"
    changed = first_line(["git", "status", "--porcelain", "--untracked-files=no"], root)
    return name + (" with changes" if changed else "")


def compiler_command(build):
    """What the programs of a Meson build folder were made with, as a list of words."""
    path = build / "meson-info/intro-targets.json"
    for target in json.loads(path.read_text()) if path.exists() else []:
        for part in target.get("target_sources", []):
            if part.get("language") == "cpp":
                return part["compiler"]
    return ["c++"]


def compiler(build):
    return first_line([*compiler_command(build), "--version"]) or "unknown"


def optimisation(build):
    path = build / "meson-info/intro-buildoptions.json"
    for option in json.loads(path.read_text()) if path.exists() else []:
        if option["name"] == "optimization":
            return f"-O{option['value']}"
    return ""


def system_call_ns():
    """What entering the kernel for nothing costs, Python's part included; virtual machines differ by ten times."""
    best = None
    for _ in range(5):
        start = time.thread_time_ns()
        for _ in range(20_000):
            os.getppid()
        spent = (time.thread_time_ns() - start) / 20_000
        best = spent if best is None else min(best, spent)
    return round(best, -1)


def describe(root, build):
    return {
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0)),
        "kernel": f"{platform.system()} {platform.release()}",
        "compiler": " ".join(filter(None, [compiler(build), optimisation(build)])),
        "system_call_ns": system_call_ns(),
        "commit": commit(root),
    }


def line(machine):
    return (f"{machine['processor']}, {machine['processors']} processors; {machine['kernel']}, "
            f"{machine['system_call_ns']:.0f} ns for an empty system call; "
            f"{machine['compiler']}; commit {machine['commit']}")
