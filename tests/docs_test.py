#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that docs.py finds what it looks for."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

DOCS = pathlib.Path(__file__).resolve().parent / "docs.py"
SOURCE = "// SPDX-License-Identifier: MIT\n\nint before;\n    // [part]\n    int x;\n    // [/part]\n"


class Docs(unittest.TestCase):
    def run_on(self, page, *options):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder).resolve()
            (root / "page.md").write_text(page)
            (root / "other.md").write_text("# A title: with `code`\n")
            (root / "code.cpp").write_text(SOURCE)
            done = subprocess.run([sys.executable, DOCS, "--root", root, *options],
                                  capture_output=True, text=True)
            return done.returncode, done.stdout, (root / "page.md").read_text()

    def assert_finds(self, page, message):
        code, output, _ = self.run_on(page, "--check")
        self.assertEqual(code, 1)
        self.assertIn(message, output)

    def test_good_links_pass(self):
        page = "# Top\n[a](other.md) [b](other.md#a-title-with-code) [c](#top) [d](https://e.org)\n"
        self.assertEqual(self.run_on(page, "--check")[:2], (0, ""))

    def test_links_in_code_are_not_links(self):
        self.assertEqual(self.run_on("```\n[a](no.md)\n```\n`[](auto x)`\n", "--check")[0], 0)

    def test_a_missing_file_is_found(self):
        self.assert_finds("[a](no.md)", "no such file")

    def test_a_missing_heading_is_found(self):
        self.assert_finds("[a](other.md#no)", "no such heading")

    def test_a_link_out_of_the_tree_is_found(self):
        self.assert_finds("[a](../)", "leads out of the tree")

    def test_a_stale_snippet_is_found_and_mended(self):
        page = "<!-- from code.cpp: part -->\n```cpp\nint y;\n```\n"
        self.assert_finds(page, "differs from its source")
        self.assertIn("```cpp\nint x;\n```\n", self.run_on(page)[2])

    def test_a_whole_file_can_be_a_snippet(self):
        self.assertIn("\n```cpp\nint before;", self.run_on("<!-- from code.cpp -->\n```cpp\n```\n")[2])

    def test_a_snippet_without_source_is_found(self):
        self.assert_finds("<!-- from no.cpp -->\n```cpp\n```\n", "no source for the snippet")


if __name__ == "__main__":
    unittest.main()
