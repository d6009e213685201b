#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs everything that must hold, stage by stage, and sums up: the last line is `N passed, N failed`.

Called by `./dev test`. A stage is one build with its tests, or one check. Every doctest case, every
counting script's case and every other program counts as one.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Runs of the test executables as on older kernels; see runtime/features.hpp for the names.
KERNEL_MASKS = ["6.1", "5.15"]
MASKED_TESTS = ["runtime", "io"]

OUTPUT_LINES_SHOWN = 150
ALL_TIMEOUT_FACTOR = 10

DOCTEST = re.compile(r"\[doctest\] test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed \|\s*(\d+) skipped")
COUNTED = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.MULTILINE)


@dataclasses.dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def count_of(output, good, skipped=False, filtered=False):
    """What one program's run contributes. With `filtered`, doctest's "skipped" are cases not asked for."""
    if skipped:
        return Count(skipped=1)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    found = DOCTEST.search(plain) or (COUNTED.findall(plain) and list(COUNTED.finditer(plain))[-1])
    if not found:
        return Count(passed=int(good), failed=int(not good))
    passed, failed, skipped = (int(number or 0) for number in found.groups())
    if not good and not failed:
        failed = 1  # it died, or something outside any case is wrong
    return Count(passed, failed, 0 if filtered else skipped)


def show(title, output):
    lines = output.rstrip().splitlines()
    if len(lines) > OUTPUT_LINES_SHOWN:
        lines = [f"({len(lines) - OUTPUT_LINES_SHOWN} lines left out)"] + lines[-OUTPUT_LINES_SHOWN:]
    print(f"---- {title}", *lines, "----", sep="\n", flush=True)


def run_check(title, command):
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace")
    good = done.returncode == 0
    if not good:
        show(title, done.stdout)
    return count_of(done.stdout, good)


def python(script, *arguments):
    return [sys.executable, f"tests/{script}", *arguments]


@dataclasses.dataclass
class Variant:
    """One build and what is run in it."""
    options: list
    suites: list
    masks: list = dataclasses.field(default_factory=list)
    doctest_filter: str = ""
    timeout_factor: int = 1

    def folder(self):
        if self.options == ["--clang", "--release"]:
            return ROOT / "build"
        name = "-".join(option.lstrip("-") for option in self.options[:2])
        for option in self.options[2:]:
            name += "-" + re.sub("^sanitize=", "", option.lstrip("-")).replace(",", "-")
        return ROOT / "build/variants" / name

    def build(self):
        return run_check("build " + " ".join(self.options), ["./dev", "build", *self.options])

    def test(self, label, selection, environment):
        """One run of `meson test`; counts come from its log."""
        logbase = "suite-" + label.replace(" ", "-")
        factor = self.timeout_factor * (ALL_TIMEOUT_FACTOR if "RF_TEST_ALL" in os.environ else 1)
        command = ["meson", "test", "-C", self.folder(), "--no-rebuild", "--logbase", logbase,
                   "--timeout-multiplier", str(factor), *selection]
        if self.doctest_filter:
            command.append(f"--test-args={self.doctest_filter}")
        log = self.folder() / "meson-logs" / f"{logbase}.json"
        log.unlink(missing_ok=True)
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
        total = Count()
        for line in log.read_text().splitlines() if log.exists() else []:
            test = json.loads(line)
            output = test.get("stdout", "") + test.get("stderr", "")
            good = test["result"] in ("OK", "EXPECTEDFAIL", "UNEXPECTEDPASS")
            count = count_of(output, good, test["result"] == "SKIP", bool(self.doctest_filter))
            if count.failed:
                show(f"{label}: {test['name']}: {test['result']}, "
                     f"status {test.get('returncode')}, after {test.get('duration', 0):.0f} s", output)
            total.add(count)
        if done.returncode != 0 and not total.failed:
            show(label, done.stdout)
            total.failed += 1
        return total

    def run(self, name):
        total = self.build()
        if total.failed:
            return total
        print(f"{name}: running tests", flush=True)
        suites = [part for suite in self.suites for part in ("--suite", suite)]
        total.add(self.test(name, suites, {}))
        present = self.tests_present()
        for mask in self.masks:
            masked = [test for test in MASKED_TESTS if test in present]
            if masked:
                total.add(self.test(f"{name} as on {mask}", masked, {"RF_DISABLE": mask}))
        return total

    def tests_present(self):
        listing = subprocess.run(["meson", "introspect", self.folder(), "--tests"],
                                 stdout=subprocess.PIPE, text=True)
        return {test["name"] for test in json.loads(listing.stdout or "[]")}


def tree_stage(_):
    total = Count()
    checks = [("format", ["./dev", "fmt", "--check"]), ("tidy", python("tidy.py")),
              ("await lint", python("await_lint.py", ".")), ("docs", python("docs.py", "--check"))]
    checks += [(path.stem, [sys.executable, path]) for path in sorted(ROOT.glob("tests/*_test.py"))]
    for title, command in checks:
        total.add(run_check(title, command))
    return total


def install_stage(_):
    total = Variant(["--clang", "--release"], []).build()
    if not total.failed:
        with tempfile.TemporaryDirectory() as folder:
            total.add(run_check("install", python("install_check.py", str(ROOT / "build"), folder)))
    return total


FULL = ["unit", "program", "conformance", "compile", "bench"]
STAGES = {
    "tree": tree_stage,
    "clang-release": Variant(["--clang", "--release"], FULL, masks=KERNEL_MASKS).run,
    "install": install_stage,
    "gcc-release": Variant(["--gcc", "--release"], FULL).run,
    "clang-asan": Variant(["--clang", "--release", "--sanitize=address,undefined"],
                          ["unit", "program"], timeout_factor=3).run,
    "clang-tsan": Variant(["--clang", "--release", "--threads-only", "--sanitize=thread"],
                          ["unit"], doctest_filter="-ts=*threads*", timeout_factor=5).run,
    "no-exceptions": Variant(["--clang", "--release", "--no-exceptions"], ["unit"]).run,
}
STAGES_OF_ALL = {
    "clang-debug": Variant(["--clang", "--debug"], ["unit", "program"], masks=KERNEL_MASKS,
                           timeout_factor=3).run,
    "gcc-debug": Variant(["--gcc", "--debug"], ["unit", "program"], masks=KERNEL_MASKS,
                         timeout_factor=3).run,
    "gcc-asan": Variant(["--gcc", "--release", "--sanitize=address,undefined"],
                        ["unit", "program"], timeout_factor=3).run,
}


def main():
    parser = argparse.ArgumentParser(prog="./dev test", description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true",
                        help="more builds, and tests at full length (RF_TEST_ALL=1)")
    parser.add_argument("--list", action="store_true", help="name the stages and stop")
    parser.add_argument("stages", nargs="*", metavar="stage", help="only these")
    options = parser.parse_args()
    known = {**STAGES, **STAGES_OF_ALL}
    if options.list:
        print(*known, sep="\n")
        return 0
    unknown = [stage for stage in options.stages if stage not in known]
    if unknown:
        parser.error(f"there is no stage {unknown[0]}; the stages are {', '.join(known)}")
    if options.all:
        os.environ["RF_TEST_ALL"] = "1"
    chosen = options.stages or list(known if options.all else STAGES)

    total, begin = Count(), time.monotonic()
    for stage in chosen:
        print(f"{stage}: starting", flush=True)
        stage_begin = time.monotonic()
        count = known[stage](stage)
        total.add(count)
        print(f"{stage}: {count} ({time.monotonic() - stage_begin:.0f} s)", flush=True)
    print(f"all stages took {time.monotonic() - begin:.0f} s")
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
