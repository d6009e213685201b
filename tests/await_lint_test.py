#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that await_lint.py reports every marked line of await_lint/bad and no line of await_lint/good."""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import await_lint

HERE = pathlib.Path(__file__).resolve().parent


def expected(text):
    """The (line, check) pairs that a file's `expect:` comments ask for."""
    pairs = set()
    for number, line in enumerate(text.splitlines(), 1):
        for above, checks in re.findall(r"expect(-above)?: ([\w\-, ]+)", line):
            for check in re.split(r", *", checks.strip()):
                pairs.add((number - 1 if above else number, check))
    return sorted(pairs)


class AwaitLint(unittest.TestCase):
    def test_bad_lines_are_reported_and_only_they(self):
        for path in sorted((HERE / "await_lint/bad").glob("*.cpp")):
            with self.subTest(path.name):
                text = path.read_text()
                self.assertEqual(await_lint.lint(text), expected(text))

    def test_good_lines_are_not(self):
        for path in sorted((HERE / "await_lint/good").glob("*.cpp")):
            with self.subTest(path.name):
                self.assertEqual(await_lint.lint(path.read_text()), [])

    def test_every_check_is_shown_to_fire(self):
        shown = {check for path in (HERE / "await_lint/bad").glob("*.cpp")
                 for _, check in expected(path.read_text())}
        self.assertEqual(shown, set(await_lint.CHECKS))

    def status(self, text, *options):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "a.cpp").write_text(text)
            return subprocess.run([sys.executable, HERE / "await_lint.py", *options, folder],
                                  capture_output=True).returncode

    def test_errors_fail_and_advice_fails_only_when_strict(self):
        self.assertEqual(self.status("task<> f() { co_await x; }\n"), 0)
        self.assertEqual(self.status("task<> f() { if (co_await x) y(); }\n"), 1)
        advice = "task<> f() { try { co_await x; } catch (...) { undo(); } }\n"
        self.assertEqual(self.status(advice), 0)
        self.assertEqual(self.status(advice, "--strict"), 1)

    def test_unbalanced_source_is_survived(self):
        for text in ["}}} co_await ) (", "([{ co_await", 'R"x( co_await', "#if 1\nco_await"]:
            await_lint.lint(text)


if __name__ == "__main__":
    unittest.main()
