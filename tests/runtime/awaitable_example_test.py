#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The example of docs/how-to/write-an-awaitable.md does what the page says."""

import os
import pathlib
import subprocess
import unittest


class AwaitableExample(unittest.TestCase):
    def test_waits_are_woken_and_taken_back(self):
        program = pathlib.Path(os.environ["RF_TEST_EXAMPLES"]) / "awaitable"
        done = subprocess.run([program], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout, "reached 2\ngave up on 4\n")
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()
