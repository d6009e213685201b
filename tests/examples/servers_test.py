#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""echo, echo_server and proxy: what they do with peers of every kind, with signals and bad input."""

import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import unittest

from programs import (EXAMPLES, NOTHING_LEFT, PATIENCE, Server, main, read_all, read_exactly, run,
                      wait_until)


def reset(stream):
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


def fill(stream):
    """Sends without reading until the other side can take no more."""
    stream.settimeout(0.5)
    try:
        while True:
            stream.send(b"x" * 65536)
    except TimeoutError:
        stream.settimeout(PATIENCE)


class Arguments(unittest.TestCase):
    def test_bad_ones_get_the_usage_line_and_status_2(self):
        for command in [["echo_server"], ["echo_server", "x"], ["echo_server", "65536"],
                        ["echo_server", "0", "--max-connections"],
                        ["echo_server", "0", "--max-connections", "-1"],
                        ["echo_server", "0", "--other", "1"], ["echo_server", "7000", "--shards"],
                        ["echo_server", "7000", "--shards", "x"],
                        ["echo_server", "0", "--shards", "2"], ["resp_server"],
                        ["resp_server", "7.1"], ["proxy", "0"], ["proxy", "0", "example"],
                        ["proxy", "x", "1"], ["watched_service"], ["watched_service", "x"],
                        ["watched_service", "0", "x"]]:
            with self.subTest(command=command):
                done = run(*command)
                self.assertEqual(done.returncode, 2)
                self.assertRegex(done.stderr, rf"\Ausage: {command[0]} <[^\n]*\n\Z")

    def test_a_port_in_use_is_named(self):
        with Server("echo_server", 0) as server:
            for command in [["echo_server", server.port], ["resp_server", server.port],
                            ["proxy", server.port, 1]]:
                done = run(*command)
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"bind to 127.0.0.1:{server.port}: Address already in use "
                              "(EADDRINUSE): something else has it", done.stderr)


class Watched(unittest.TestCase):
    def test_a_task_that_holds_the_loop_is_named(self):
        with Server("watched_service", 0) as server, server.connect() as peer:
            peer.sendall(b"3000000")
            peer.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(peer), b"216816\n")
            told = server.read_errors_until("advice: ")
            self.assertRegex(told, r"suspect stall: task \d+ \(spawned at examples/watched_service\.cpp:\d+\) holds "
                                   r"the loop for \d+ ms")
            self.assertRegex(told, r"\n    after examples/watched_service\.cpp:\d+ in [^\n]*answer\n")
            self.assertRegex(told, r"\n      watched_service\+0x[0-9a-f]+")
            self.assertEqual(server.stop()[0], 0)

    def test_on_several_shards_the_shard_is_named(self):
        with Server("watched_service", 0, 2) as server:
            told = ""
            for _ in range(2):  # they take turns
                with server.connect() as peer:
                    peer.sendall(b"3000000")
                    peer.shutdown(socket.SHUT_WR)
                    self.assertEqual(read_all(peer), b"216816\n")
                told += server.read_errors_until("advice: ")
            for shard in 0, 1:
                self.assertRegex(told, rf"ringfence: shard {shard}: suspect stall: task \d+ ")
            self.assertEqual(server.stop()[0], 0)

    def test_an_idle_one_says_nothing(self):
        with Server("watched_service", 0) as server, server.connect() as peer:
            peer.sendall(b"10")
            peer.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(peer), b"4\n")
            status, _, err = server.stop()
            self.assertEqual((status, err), (0, ""))


class Echo(unittest.TestCase):
    def test_the_one_of_the_readme_echoes_and_drains(self):
        # It serves a fixed port, which something else may have.
        process = subprocess.Popen([EXAMPLES / "echo"], stderr=subprocess.PIPE, text=True)
        try:
            def answers():
                if process.poll() is not None:
                    return True
                try:
                    with socket.create_connection(("127.0.0.1", 7000), timeout=PATIENCE) as peer:
                        peer.sendall(b"hello")
                        return read_exactly(peer, 5) == b"hello"
                except ConnectionError:
                    return False
            wait_until(process, answers, "echo answers")
            if process.poll() is not None:
                self.assertIn("EADDRINUSE", process.stderr.read())
                self.skipTest("port 7000 is in use")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(PATIENCE), 0)
        finally:
            process.kill()
            process.communicate()


class EchoServer(unittest.TestCase):
    def assert_ends_with_nothing_left(self, server, how=signal.SIGTERM):
        status, out, err = server.stop(how)
        self.assertEqual((status, err), (0, ""))
        self.assertIn(NOTHING_LEFT, out)

    def test_sends_back_every_byte(self):
        with Server("echo_server", 0) as server, server.connect() as peer:
            sent = os.urandom(3_000_000)
            writer = threading.Thread(target=lambda: (peer.sendall(sent),
                                                      peer.shutdown(socket.SHUT_WR)))
            writer.start()
            self.assertEqual(read_all(peer), sent)
            writer.join()
            self.assert_ends_with_nothing_left(server)

    def test_a_reset_peer_does_not_touch_the_others(self):
        with Server("echo_server", 0) as server, server.connect() as good:
            for size in [0, 1, 100_000]:
                bad = server.connect()
                bad.sendall(b"x" * size)
                reset(bad)
            good.sendall(b"still here")
            self.assertEqual(read_exactly(good, 10), b"still here")
            self.assert_ends_with_nothing_left(server)

    def test_a_drain_hangs_up_on_silent_peers(self):
        for how in [signal.SIGTERM, signal.SIGINT]:
            with Server("echo_server", 0) as server:
                peers = [server.connect() for _ in range(20)]
                for peer in peers:
                    peer.sendall(b"x")
                    read_exactly(peer, 1)
                self.assert_ends_with_nothing_left(server, how)
                for peer in peers:
                    self.assertEqual(peer.recv(1), b"")
                    peer.close()

    def test_a_peer_that_never_reads_is_cut_off_when_the_grace_is_over(self):
        with Server("echo_server", 0) as server, server.connect() as peer:
            fill(peer)
            status, out, err = server.stop()
            self.assertEqual(status, 0)
            self.assertIn(NOTHING_LEFT, out)
            self.assertIn("the grace period of a drain has passed; still running", err)
            self.assertRegex(err, r"io for send[^\n]*\n +at examples/echo_server\.cpp:\d+ in ")

    def test_the_second_signal_cancels(self):
        with Server("echo_server", 0) as server, server.connect() as peer:
            fill(peer)
            server.process.send_signal(signal.SIGTERM)
            tree = ""
            while ", draining" not in tree:
                server.process.send_signal(signal.SIGQUIT)
                tree = server.read_errors_until("::echo\n")
            status, out, _ = server.stop()
            self.assertEqual(status, 128 + signal.SIGTERM)
            self.assertIn(NOTHING_LEFT, out)

    def test_serves_on_as_many_threads_as_it_is_told_and_drains_them_all(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with Server("echo_server", port, "--shards", 3) as server:
            peers = [server.connect() for _ in range(30)]
            for number, peer in enumerate(peers):
                text = f"peer {number}".encode()
                peer.sendall(text)
                self.assertEqual(read_exactly(peer, len(text)), text)
            threads = [comm.read_text().strip() for comm in
                       pathlib.Path(f"/proc/{server.process.pid}/task").glob("*/comm")]
            self.assertIn("rf-shard-1", threads)
            self.assertIn("rf-shard-2", threads)
            self.assert_ends_with_nothing_left(server)
            for peer in peers:
                self.assertEqual(peer.recv(1), b"")
                peer.close()

    def test_serves_no_more_connections_than_it_is_told(self):
        with Server("echo_server", 0, "--max-connections", 2) as server:
            peers = [server.connect() for _ in range(3)]
            for peer in peers:
                peer.sendall(b"x")
            for peer in peers[:2]:
                read_exactly(peer, 1)
            peers[2].settimeout(0.3)
            with self.assertRaises(TimeoutError):
                peers[2].recv(1)
            peers[0].close()
            peers[2].settimeout(60)
            read_exactly(peers[2], 1)
            for peer in peers:
                peer.close()
            self.assert_ends_with_nothing_left(server)

    def test_sigquit_prints_who_waits_where_and_it_goes_on(self):
        with Server("echo_server", 0) as server, server.connect() as peer:
            peer.sendall(b"x")
            read_exactly(peer, 1)
            server.process.send_signal(signal.SIGQUIT)
            tree = server.read_errors_until("::echo\n")
            self.assertIn('nursery "connections", 1 alive', tree)
            self.assertRegex(tree, r"task \d+: io for receive[^\n]*127\.0\.0\.1:")
            self.assertRegex(tree, r"at examples/echo_server\.cpp:\d+ in [^\n]*echo")
            # Lines of the program and none of ringfence.
            self.assertNotRegex(tree, r"at (runtime|io|include)/")
            peer.sendall(b"y")
            self.assertEqual(read_exactly(peer, 1), b"y")
            self.assertEqual(server.stop()[0], 0)


class Proxy(unittest.TestCase):
    def test_passes_each_direction_on_to_its_end(self):
        with Server("echo_server", 0) as echo, Server("proxy", 0, echo.port) as proxy:
            with proxy.connect() as peer:
                sent = os.urandom(1_000_000)
                writer = threading.Thread(target=lambda: (peer.sendall(sent),
                                                          peer.shutdown(socket.SHUT_WR)))
                writer.start()
                self.assertEqual(read_all(peer), sent)  # the answer comes after our end
                writer.join()
            self.assertEqual(proxy.stop(), (0, "", ""))
            self.assertEqual(echo.stop()[0], 0)

    def test_a_target_that_refuses_costs_the_client_its_connection_and_no_more(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            with Server("proxy", 0, port) as proxy:
                for _ in range(2):
                    with proxy.connect() as peer:
                        self.assertEqual(peer.recv(1), b"")
                status, _, err = proxy.stop()
                self.assertEqual(status, 0)
                sentence = f"connect to 127.0.0.1:{port}: Connection refused"
                self.assertEqual(err.count(sentence), 2)

    def test_drains_while_clients_are_silent(self):
        with Server("echo_server", 0) as echo, Server("proxy", 0, echo.port) as proxy:
            peers = [proxy.connect() for _ in range(10)]
            for peer in peers:
                peer.sendall(b"x")
                read_exactly(peer, 1)
            self.assertEqual(proxy.stop(), (0, "", ""))
            for peer in peers:
                self.assertEqual(peer.recv(1), b"")
                peer.close()
            self.assertEqual(echo.stop()[0], 0)


if __name__ == "__main__":
    main()
