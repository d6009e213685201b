#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that the count of `./dev test` is right: nothing failed is counted as passed, or not at all."""

import unittest

from suite import Count, Variant, count_of

DOCTEST = "[doctest] test cases:  12 |  9 passed | {} failed | 2 skipped\n"


class Counting(unittest.TestCase):
    def test_a_program_counts_as_one(self):
        self.assertEqual(count_of("hello\n", True), Count(1, 0, 0))
        self.assertEqual(count_of("hello\n", False), Count(0, 1, 0))

    def test_status_77_is_a_skip(self):
        self.assertEqual(count_of("no io_uring here\n", True, skipped=True), Count(0, 0, 1))

    def test_doctest_cases_count_each(self):
        self.assertEqual(count_of(DOCTEST.format(1), False), Count(9, 1, 2))
        self.assertEqual(count_of("\x1b[0m" + DOCTEST.format(0), True), Count(9, 0, 2))

    def test_cases_filtered_out_are_not_skips(self):
        self.assertEqual(count_of(DOCTEST.format(0), True, filtered=True), Count(9, 0, 0))

    def test_failing_after_good_cases_is_a_failure(self):
        self.assertEqual(count_of(DOCTEST.format(0), False), Count(9, 1, 2))
        self.assertEqual(count_of("3 passed, 0 failed\n", False), Count(3, 1, 0))

    def test_the_last_count_of_a_script_holds(self):
        self.assertEqual(count_of("1 passed, 1 failed\n4 passed, 0 failed, 2 skipped\n", True),
                         Count(4, 0, 2))

    def test_a_count_inside_a_line_is_no_count(self):
        self.assertEqual(count_of("so 3 passed, 1 failed here\n", True), Count(1, 0, 0))

    def test_the_sum_is_printed_as_promised(self):
        total = Count(1, 2)
        self.assertEqual(str(total), "1 passed, 2 failed")
        total.add(Count(1, 0, 3))
        self.assertEqual(str(total), "2 passed, 2 failed, 3 skipped")


class Folders(unittest.TestCase):
    def test_a_variant_knows_where_dev_builds_it(self):
        variant = Variant(["--clang", "--release", "--threads-only", "--sanitize=address,undefined"], [])
        self.assertEqual(variant.folder().as_posix().rpartition("/build/")[2],
                         "variants/clang-release-threads-only-address-undefined")


if __name__ == "__main__":
    unittest.main()
