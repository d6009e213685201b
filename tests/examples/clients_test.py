#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""timeout, cleanup, happy_eyeballs and demo: programs that end by themselves."""

import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import unittest

from programs import EXAMPLES, NOTHING_LEFT, PATIENCE, Server, main, run


class Timeout(unittest.TestCase):
    def test_shows_each_way_to_limit_time(self):
        done = run("timeout", 100)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"with_timeout: timed out after 100 ms")
        self.assertIn("move_on_after: nothing within 100 ms, and nothing lost", done.stdout)
        self.assertIn("move_on_at: the conversation was cut off", done.stdout)

    def test_bad_arguments(self):
        for arguments in [["x"], ["0"], ["1", "2"]]:
            done = run("timeout", *arguments)
            self.assertEqual((done.returncode, done.stderr), (2, "usage: timeout [milliseconds]\n"))


class Cleanup(unittest.TestCase):
    def test_says_goodbye_on_every_way_out(self):
        done = run("cleanup")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        well, cancelled, failed = re.split("is cancelled:|fails:", done.stdout)
        self.assertRegex(well, "hears: hello\n.*hears: goodbye\n.*went well")
        self.assertRegex(cancelled, "hears: think\n.*hears: goodbye\n.*went wrong\n.*finished: no")
        self.assertRegex(failed, "hears: quarrel\n.*went wrong\n.*caught: the server hung up")


class HappyEyeballs(unittest.TestCase):
    def test_takes_the_first_address_that_answers(self):
        with Server("echo_server", 0) as server, socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            refusing = closed.getsockname()[1]
            done = run("happy_eyeballs", f"127.0.0.1:{refusing}", "[::1]:1", server.port)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, rf"\Aconnected to 127\.0\.0\.1:{server.port} after ")

    def test_says_why_when_none_answers(self):
        done = run("happy_eyeballs", "127.0.0.1:1", "127.0.0.1:2")
        self.assertEqual(done.returncode, 1)
        self.assertIn("connect to 127.0.0.1:1: Connection refused (ECONNREFUSED): "
                      "nobody listens there", done.stderr)

    def test_bad_arguments(self):
        self.assertEqual(run("happy_eyeballs").returncode, 2)
        done = run("happy_eyeballs", "nowhere")
        self.assertEqual((done.returncode, done.stderr),
                         (2, "happy_eyeballs: not an address and port: nowhere\n"))


class Demo(unittest.TestCase):
    def assert_good(self, output):
        self.assertIn("OK: every byte came back, and nothing was left behind", output)
        zeros = "at exit 0 tasks, 0 operations, 0 timers, 0 buffers, 0 descriptors"
        self.assertEqual(output.count(zeros), 2)
        self.assertRegex(output, r"\d+ compared, 0 wrong")

    def test_runs_and_finds_nothing_wrong(self):
        done = run("demo", "--seconds", 2, "--connections", 100, "--seed", 7)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assert_good(done.stdout)
        self.assertIn("seed 7", done.stdout)

    def test_stops_early_when_told(self):
        demo = subprocess.Popen([EXAMPLES / "demo", "--seconds", "60"], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        head = [demo.stdout.readline() for _ in range(3)]  # the third tells of the first second
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=PATIENCE)
        self.assertEqual((demo.returncode, err), (0, ""), "".join(head) + out)
        self.assert_good(out)

    def test_a_service_that_dies_under_load_is_a_failure(self):
        demo = subprocess.Popen([EXAMPLES / "demo", "--seconds", "60"], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        head = [demo.stdout.readline() for _ in range(3)]
        service = int(re.search(r"process (\d+)", "".join(head))[1])
        subprocess.run(["kill", "-KILL", str(service)], check=True)
        demo.send_signal(signal.SIGINT)
        out, _ = demo.communicate(timeout=PATIENCE)
        self.assertEqual(demo.returncode, 1, out)
        self.assertIn("FAILED: the service did not end well", out)

    def run_beside(self, service):
        """The demo, with another program in the place of its echo_server."""
        with tempfile.TemporaryDirectory() as folder:
            here = pathlib.Path(folder)
            shutil.copy(EXAMPLES / "demo", here / "demo")
            (here / "echo_server").write_text(f"#!{sys.executable}\n{textwrap.dedent(service)}")
            (here / "echo_server").chmod(0o755)
            return subprocess.run([here / "demo", "--seconds", "1", "--connections", "5"], text=True,
                                  capture_output=True, timeout=PATIENCE)

    def test_a_byte_that_comes_back_wrong_is_a_failure(self):
        done = self.run_beside(f"""
            import asyncio, signal
            async def echo(reader, writer):
                seen = 0
                while data := bytearray(await reader.read(65536)):
                    if seen <= 1000 < seen + len(data):
                        data[1000 - seen] ^= 1
                    seen += len(data)
                    writer.write(data)
                    await writer.drain()
                writer.close()
            async def main():
                told = asyncio.Event()
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
                server = await asyncio.start_server(echo, "127.0.0.1", 0)
                print("listening on 127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
                await told.wait()
                print("work: none\\n{NOTHING_LEFT}", flush=True)
            asyncio.run(main())
        """)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(re.findall("FAILED: .*", done.stdout), ["FAILED: bytes came back wrong"])
        self.assertNotIn("OK", done.stdout)

    def test_anything_left_at_the_exit_of_the_service_is_a_failure(self):
        good = "0 tasks, 0 operations, 0 timers, 0 buffers, 0 descriptors"
        for place in range(5):
            parts = good.split(", ")
            parts[place] = parts[place].replace("0", "1")
            done = self.run_beside(f"""
                import os, signal, subprocess
                real = subprocess.Popen(["{EXAMPLES.resolve() / 'echo_server'}", "0"], text=True,
                                        stdout=subprocess.PIPE)
                signal.signal(signal.SIGTERM, lambda *_: None)  # the whole group has heard it
                for line in real.stdout:
                    print(line.replace("{good}", "{', '.join(parts)}"), end="", flush=True)
                os._exit(real.wait())
            """)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertEqual(re.findall("FAILED: .*", done.stdout),
                             ["FAILED: the service left something behind"])

    def test_bad_arguments(self):
        for arguments in [["--seconds"], ["--seconds", "0"], ["--other", "1"], ["1"]]:
            self.assertEqual(run("demo", *arguments).returncode, 2)


if __name__ == "__main__":
    main()
