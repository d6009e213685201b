#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The example file_copy copies every byte, and says in one line why it cannot."""

import os
import pathlib
import random
import resource
import subprocess
import tempfile
import unittest

PROGRAM = pathlib.Path(os.environ["RF_TEST_EXAMPLES"]) / "file_copy"
BLOCK = 256 * 1024


class FileCopy(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.here = pathlib.Path(self.folder.name)

    def run_copy(self, *arguments, **options):
        return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60,
                              **options)

    def test_copies_files_of_all_sizes(self):
        for size in (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 20 * BLOCK + 12345):
            source, target = self.here / "from", self.here / f"to-{size}"
            source.write_bytes(random.Random(size).randbytes(size))
            source.chmod(0o640)
            done = self.run_copy(source, target)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(done.stdout, f"{size} bytes copied\n")
            self.assertEqual(target.read_bytes(), source.read_bytes())
            self.assertEqual(target.stat().st_mode & 0o777, 0o640)

    def test_overwrites_but_never_itself(self):
        source, target = self.here / "from", self.here / "to"
        source.write_text("new")
        target.write_text("something longer")
        self.assertEqual(self.run_copy(source, target).returncode, 0)
        self.assertEqual(target.read_text(), "new")
        done = self.run_copy(source, source)
        self.assertEqual(done.returncode, 1)
        self.assertIn("are the same file", done.stderr)
        self.assertEqual(source.read_text(), "new")

    def test_says_what_is_wrong(self):
        source = self.here / "from"
        source.write_text("x" * 100_000)
        missing = self.run_copy(self.here / "no", self.here / "to")
        self.assertEqual(missing.returncode, 1)
        self.assertIn(f"open {self.here}/no: No such file or directory (ENOENT)", missing.stderr)
        self.assertFalse((self.here / "to").exists())

        folder = self.run_copy(self.here, self.here / "to")
        self.assertEqual(folder.returncode, 1)
        self.assertIn("is no file but a directory", folder.stderr)

        full = self.run_copy(source, "/dev/full")
        self.assertEqual(full.returncode, 1)
        self.assertIn("no room is left on the file system", full.stderr)
        self.assertIn("(ENOSPC)", full.stderr)
        self.assertTrue(pathlib.Path("/dev/full").exists())

        self.assertEqual(self.run_copy("one").returncode, 2)

    def test_removes_a_half_made_copy(self):
        source, target = self.here / "from", self.here / "to"
        source.write_text("x" * 1_000_000)
        done = self.run_copy(source, target, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (300_000, 300_000)))
        self.assertEqual(done.returncode, 1)
        self.assertIn("RLIMIT_FSIZE", done.stderr)
        self.assertFalse(target.exists())


if __name__ == "__main__":
    unittest.main()
