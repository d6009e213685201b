#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that each rule of tidy.py can fail: a good tree passes, and one change breaks one rule."""

import pathlib
import tempfile
import unittest

import sources
import tidy

SPDX = "// SPDX-License-Identifier: MIT\n"
HEADER = SPDX + "#pragma once\n\n{}\n/// Does one thing.\nstruct thing;\n"
MESON = "# SPDX-License-Identifier: MIT\n" + sources.BEGIN + "\n" + sources.END + "\n"
GOOD = {
    "runtime/task.hpp": HEADER.format("#include <vector>\n"),
    "runtime/detail/list.hpp": SPDX + "#pragma once\n\nstruct list;\n",
    "runtime/task.cpp": SPDX + "#include <ringfence/runtime/task.hpp>\n",
    "io/http/server.hpp": HEADER.format("#include <ringfence/runtime/task.hpp>\n"),
    "sync/event.hpp": HEADER.format("#include <ringfence/runtime/task.hpp>\n"),
    "examples/echo.cpp": SPDX + "int main() {}\n",
    "tests/examples/echo_test.py": "# SPDX-License-Identifier: MIT\nrun('echo')\n",
    "tests/sim/clock.hpp": SPDX + "#pragma once\n",
    "tests/io/read_test.cpp": SPDX + '#include "tests/sim/clock.hpp"\nauto t = rf::sleep_for(1s);\n',
    "tests/tidy_allow.txt": "# none\n",
    "dev": "#!/usr/bin/env bash\n# SPDX-License-Identifier: MIT\n",
    **{f"{folder}/meson.build": MESON for folder in [*sources.MODULES, "tests", "examples", "bench"]},
}


class Tidy(unittest.TestCase):
    def findings(self, changes, stale=False):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder).resolve()
            for path, text in {**GOOD, **changes}.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            for path, text in sources.wanted(root).items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            for module in sources.MODULES:
                (root / "include/ringfence" / module).symlink_to(f"../../{module}")
            if stale:
                (root / "runtime/new.cpp").write_text(SPDX)
            return tidy.findings(root)

    def assert_breaks(self, rule, path, text, message=""):
        found = self.findings({path: text})
        self.assertEqual({name for name, _ in found}, {rule}, found)
        self.assertTrue(any(message in line for _, line in found), found)

    def test_a_good_tree_passes(self):
        self.assertEqual(self.findings({}), [])

    def test_every_rule_is_broken_here(self):
        tests = "\n".join(name for name in dir(self) if name.startswith("test_breaks_"))
        for rule in tidy.RULES:
            self.assertIn(f"test_breaks_{rule.__name__}", tests)

    def test_breaks_ladder(self):
        for path, used in [("runtime/a.cpp", "io/http/server"), ("sync/a.cpp", "io/http/server"),
                           ("io/a.cpp", "sync/event"), ("leakcheck/a.cpp", "io/http/server"),
                           ("leakcheck/a.cpp", "sync/event"), ("io/b.cpp", "ringfence")]:
            self.assert_breaks("ladder", path, SPDX + f"#include <ringfence/{used}.hpp>\n")

    def test_breaks_include_spelling(self):
        rule = "include_spelling"
        self.assert_breaks(rule, "io/a.cpp", SPDX + '#include "read.hpp"\n', "write <ringfence")
        self.assert_breaks(rule, "tests/io/a.cpp", SPDX + '#include "../sim/clock.hpp"\n', "relative")
        self.assert_breaks(rule, "tests/io/a.cpp", SPDX + '#include "no.hpp"\n', "neither")

    def test_breaks_include_cycles(self):
        self.assert_breaks("include_cycles", "runtime/detail/list.hpp", SPDX +
                           "#pragma once\n#include <ringfence/runtime/detail/list.hpp>\n")

    def test_breaks_header_guard(self):
        self.assert_breaks("header_guard", "runtime/a.hpp", SPDX + "/// A.\nint a;\n#pragma once\n")

    def test_breaks_licence_line(self):
        self.assert_breaks("licence_line", "runtime/a.cpp", "int a;\n")
        self.assert_breaks("licence_line", "dev", "#!/usr/bin/env bash\n")

    def test_breaks_contract_comment(self):
        self.assert_breaks("contract_comment", "io/a.hpp", SPDX + "#pragma once\n// a\nint a;\n")

    def test_breaks_file_length(self):
        long = SPDX + "\n" * tidy.LINES_MAX
        self.assert_breaks("file_length", "io/a.cpp", long)
        self.assert_breaks("file_length", "tests/tidy_allow.txt", "dev: it is long\n", "needs no")
        allowed = {"io/a.cpp": long, "tests/tidy_allow.txt": "io/a.cpp: a table\n"}
        self.assertEqual(self.findings(allowed), [])

    def test_breaks_no_sleep(self):
        for call in ["std::this_thread::sleep_for(1s);", "usleep(1);", "::sleep(1);", "sleep (1);"]:
            self.assert_breaks("no_sleep", "tests/io/a_test.cpp", SPDX + call + "\n")
        self.assert_breaks("no_sleep", "tests/io/a_test.py",
                           "# SPDX-License-Identifier: MIT\ntime.sleep(1)\n")
        exempted = {"tests/io/a_test.cpp": SPDX + "usleep(1);  // tidy: ok, the kernel is the subject\n"}
        self.assertEqual(self.findings(exempted), [])

    def test_breaks_names(self):
        for path in ["io/util.cpp", "io/string_helpers.cpp", "tests/common/a.cpp"]:
            self.assert_breaks("names", path, SPDX)

    def test_breaks_lists(self):
        self.assertEqual({name for name, _ in self.findings({}, stale=True)}, {"lists"})

    def test_breaks_include_links(self):
        self.assert_breaks("include_links", "include/ringfence/a.hpp",
                           SPDX + "#pragma once\n")

    def test_breaks_machine_paths(self):
        self.assert_breaks("machine_paths", "README.md", "see /" + "home/me/src\n")

    def test_breaks_examples_tested(self):
        self.assert_breaks("examples_tested", "examples/proxy/main.cpp", SPDX)

    def test_breaks_whitespace(self):
        for text in ["a \n", "a\tb\n", "a"]:
            self.assert_breaks("whitespace", "README.md", text)

    def test_breaks_conflict_markers(self):
        for marker in "<>":
            self.assert_breaks("conflict_markers", "README.md", marker * 7 + " main\n")


if __name__ == "__main__":
    unittest.main()
