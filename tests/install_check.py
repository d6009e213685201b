#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Installs a build into an empty folder and builds one program against it in each supported way.

usage: install_check.py <build folder> <empty folder>
"""

import os
import pathlib
import subprocess
import sys

CONSUMERS = pathlib.Path(__file__).resolve().parent / "install"


def run(*command, **environment):
    """The command's output; SystemExit with it if the command fails."""
    command = [str(part) for part in command]
    done = subprocess.run(command, env={**os.environ, **environment}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}")
    return done.stdout


class Installed:
    """A ringfence installed below `folder`, with the compiler of its build."""

    def __init__(self, build, folder):
        self.build = build
        self.folder = folder
        self.environment = {}

    def install(self):
        run("meson", "install", "-C", self.build, "--no-rebuild", "--destdir", self.folder / "root")
        pc = next((self.folder / "root").rglob("ringfence.pc"))
        self.prefix = next(pc.parents[level] for level in range(len(pc.parents))
                           if (pc.parents[level] / "include/ringfence").is_dir())
        self.environment = {"PKG_CONFIG_PATH": str(pc.parent), "CXX": "clang++-19", "CC": "clang-19"}

    def headers_are_files(self):
        headers = list((self.prefix / "include/ringfence").rglob("*"))
        links = [path for path in headers if path.is_symlink()]
        if links or not (self.prefix / "include/ringfence/ringfence.hpp").is_file():
            raise RuntimeError(f"links among the headers: {links}" if links else "no ringfence.hpp")

    def await_lint(self):
        run(self.prefix / "bin/ringfence-await-lint", CONSUMERS)

    def rf_ps(self):
        run(self.prefix / "bin/rf-ps", "--version")
        if not (self.prefix / "share/ringfence/ringfence-gdb.py").is_file():
            raise RuntimeError("no ringfence-gdb.py")

    def pkgconfig(self):
        flags = run("pkg-config", "--cflags", "--libs", "ringfence", **self.environment).split()
        program = self.folder / "pkgconfig-consumer"
        run("clang++-19", "-std=c++20", CONSUMERS / "consumer.cpp", "-o", program, *flags)
        run(program)

    def meson(self):
        folder = self.folder / "meson"
        run("meson", "setup", folder, CONSUMERS / "meson", **self.environment)
        run("ninja", "-C", folder)
        run(folder / "consumer")

    def meson_subproject(self):
        # Configured only: compiling would build all of ringfence once more.
        project = self.folder / "project"
        (project / "subprojects").mkdir(parents=True)
        (project / "subprojects/ringfence").symlink_to(CONSUMERS.parent.parent)
        for name in ("consumer.cpp", "meson/meson.build"):
            (project / pathlib.Path(name).name).write_text((CONSUMERS / name).read_text()
                                                           .replace("../consumer", "consumer"))
        run("meson", "setup", self.folder / "subproject", project,
            "--force-fallback-for=ringfence", CXX="clang++-19", CC="clang-19")

    def cmake(self):
        folder = self.folder / "cmake"
        run("cmake", "-G", "Ninja", "-S", CONSUMERS / "cmake", "-B", folder,
            f"-DCMAKE_PREFIX_PATH={self.prefix}", **self.environment)
        run("cmake", "--build", folder)
        run(folder / "consumer")


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    installed = Installed(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve())
    checks = [installed.install, installed.headers_are_files, installed.await_lint, installed.rf_ps,
              installed.pkgconfig, installed.meson, installed.meson_subproject, installed.cmake]
    passed = failed = 0
    for check in checks:
        try:
            check()
            passed += 1
        except (RuntimeError, OSError) as error:
            failed += 1
            print(f"{check.__name__}: {error}")
            if check == installed.install:
                break
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
