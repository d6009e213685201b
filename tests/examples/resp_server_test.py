#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""resp_server: the protocol, its limits, expiry, and the stock clients."""

import shutil
import socket
import subprocess
import unittest

from programs import PATIENCE, Server, main, read_all, read_exactly, wait_until


def encode(*words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


class RespServer(unittest.TestCase):
    def setUp(self):
        self.server = Server("resp_server", 0)
        self.addCleanup(self.server.__exit__)
        self.peer = self.server.connect()
        self.addCleanup(self.peer.close)

    def ask(self, request, reply):
        self.peer.sendall(request)
        self.assertEqual(read_exactly(self.peer, len(reply)), reply)

    def call(self, *words, gives):
        self.ask(encode(*words), gives)

    def assert_refused_and_closed(self, request, complaint):
        self.peer.sendall(request)
        reply = read_all(self.peer)
        self.assertRegex(reply.decode(), rf"\A-ERR {complaint}\r\n\Z")

    def assert_drains(self):
        self.assertEqual(self.server.stop(), (0, "", ""))

    def test_commands(self):
        self.call("PING", gives=b"+PONG\r\n")
        self.call("ping", "hi", gives=b"$2\r\nhi\r\n")
        self.call("ECHO", "", gives=b"$0\r\n\r\n")
        self.call("GET", "a", gives=b"$-1\r\n")
        self.call("SET", "a", "1", gives=b"+OK\r\n")
        self.call("gEt", "a", gives=b"$1\r\n1\r\n")
        self.call("INCR", "a", gives=b":2\r\n")
        self.call("INCR", "b", gives=b":1\r\n")
        self.call("TTL", "a", gives=b":-1\r\n")
        self.call("TTL", "none", gives=b":-2\r\n")
        self.call("EXPIRE", "a", 100, gives=b":1\r\n")
        self.call("EXPIRE", "none", 100, gives=b":0\r\n")
        self.call("TTL", "a", gives=b":100\r\n")
        self.call("INCR", "a", gives=b":3\r\n")
        self.call("TTL", "a", gives=b":100\r\n")  # INCR leaves the expiry alone
        self.call("SET", "a", "x", gives=b"+OK\r\n")
        self.call("TTL", "a", gives=b":-1\r\n")  # SET does not
        self.call("SET", "a", "x", "EX", 7, gives=b"+OK\r\n")
        self.call("TTL", "a", gives=b":7\r\n")
        self.call("DEL", "a", "none", "b", gives=b":2\r\n")
        self.call("DBSIZE", gives=b":0\r\n")
        self.call("COMMAND", "DOCS", gives=b"*0\r\n")
        self.call("CONFIG", "GET", "save", gives=b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n")
        self.assert_drains()

    def test_complaints_leave_the_connection_open(self):
        self.call("NOPE\r\n", gives=b"-ERR unknown command 'NOPE??'\r\n")
        self.call("GET", gives=b"-ERR wrong number of arguments for 'get' command\r\n")
        self.call("SET", "a", "1", "EX", gives=b"-ERR syntax error\r\n")
        self.call("SET", "a", "1", "NO", "1", gives=b"-ERR syntax error\r\n")
        for bad in [0, -1, 2**62]:
            self.call("SET", "a", "1", "EX", bad,
                      gives=b"-ERR invalid expire time in 'set' command\r\n")
        integer = b"-ERR value is not an integer or out of range\r\n"
        self.call("SET", "a", "1", "EX", "x", gives=integer)
        self.call("EXPIRE", "a", 2**64, gives=integer)
        for text in ["", "1x", " 1", 2**63]:
            self.call("SET", "a", text, gives=b"+OK\r\n")
            self.call("INCR", "a", gives=integer)
        self.call("SET", "a", 2**63 - 1, gives=b"+OK\r\n")
        self.call("INCR", "a", gives=b"-ERR increment or decrement would overflow\r\n")
        self.call("SET", "k" * 65537, "1", gives=b"-ERR a key may hold at most 64 KiB\r\n")
        self.call("PING", gives=b"+PONG\r\n")
        self.assert_drains()

    def test_keys_and_values_are_bytes(self):
        every = bytes(range(256)) * 3
        self.call("SET", every, every + b"\r\n$3", gives=b"+OK\r\n")
        self.call("GET", every, gives=b"$772\r\n" + every + b"\r\n$3\r\n")

    def test_inline_commands(self):
        self.ask(b"PING\r\n", b"+PONG\r\n")
        self.ask(b"\r\n \r\n  set  a\tb \n get a\r\n", b"+OK\r\n$1\r\nb\r\n")

    def test_requests_may_come_in_any_pieces(self):
        request = encode("SET", "key", "va\r\nlue") + b"PING\r\n" + encode("GET", "key")
        reply = b"+OK\r\n+PONG\r\n$7\r\nva\r\nlue\r\n"
        for cut in range(1, len(request)):
            self.peer.sendall(request[:cut])
            self.ask(request[cut:], reply)
        for byte in request:
            self.peer.sendall(bytes([byte]))
        self.assertEqual(read_exactly(self.peer, len(reply)), reply)

    def test_what_arrives_together_is_answered_together(self):
        self.peer.sendall(encode("PING") * 500)
        self.assertEqual(read_exactly(self.peer, 7 * 500), b"+PONG\r\n" * 500)

    def test_a_pipeline_larger_than_all_buffers_is_answered_in_order(self):
        value = b"v" * 300_000
        self.call("SET", "a", value, gives=b"+OK\r\n")
        whole = b"$300000\r\n" + value + b"\r\n"
        self.peer.sendall(encode("GET", "a") * 100 + encode("ECHO", "end"))
        for _ in range(100):
            self.assertEqual(read_exactly(self.peer, len(whole)), whole)
        self.assertEqual(read_exactly(self.peer, 9), b"$3\r\nend\r\n")
        self.assert_drains()

    def test_the_largest_value_fits_and_a_larger_one_is_refused(self):
        value = b"v" * (16 * 1024 * 1024)
        self.call("SET", "a", value, gives=b"+OK\r\n")
        self.peer.sendall(encode("GET", "a"))
        self.assertEqual(read_exactly(self.peer, len(value) + 13)[:12], b"$16777216\r\nv")
        self.assert_refused_and_closed(encode("SET", "a", value + b"v"),
                                       "a value may hold at most 16 MiB")

    def test_malformed_requests_are_answered_and_cut_off(self):
        for request, complaint in [
                (b"*1025\r\n", "a request may have at most 1024 arguments"),
                (b"*x\r\n", "Protocol error: a length is not a number"),
                (b"*1\r\n:1\r\n", r"Protocol error: expected '\$'"),
                (b"*1\r\n$-1\r\n", "Protocol error: an argument without a value"),
                (b"*1\r\n$4\r\nPINGxx", "Protocol error: no line end after an argument"),
                (b"x" * 70_000, "Protocol error: an inline command of more than 64 KiB"),
                (b"*" + b"1" * 70_000, "Protocol error: a length too long")]:
            with self.subTest(request=request[:20]):
                self.peer = self.server.connect()
                self.assert_refused_and_closed(request, complaint)
                self.peer.close()
        self.assert_drains()

    def test_quit_closes(self):
        self.peer.sendall(encode("QUIT") + encode("PING"))
        self.assertEqual(read_all(self.peer), b"+OK\r\n")

    def test_expired_keys_are_gone_at_once_and_swept_later(self):
        for key in range(100):
            self.call("SET", key, "x", "PX", 50, gives=b"+OK\r\n")
        self.call("SET", "stays", "x", "EX", 100, gives=b"+OK\r\n")

        def size():
            self.peer.sendall(encode("DBSIZE"))
            return self.peer.recv(100)
        wait_until(self.server.process, lambda: size() == b":1\r\n",
                   "the sweeper has freed what expired")
        self.call("GET", 0, gives=b"$-1\r\n")
        self.call("EXPIRE", "stays", -1, gives=b":1\r\n")
        self.call("DBSIZE", gives=b":0\r\n")
        self.assert_drains()

    def test_a_client_that_does_not_read_holds_up_nobody(self):
        self.call("SET", "a", b"v" * 1_000_000, gives=b"+OK\r\n")
        greedy = [self.server.connect() for _ in range(20)]
        for peer in greedy:
            peer.sendall(encode("GET", "a") * 500)
        self.call("PING", gives=b"+PONG\r\n")
        for peer in greedy:
            peer.close()

    @unittest.skipUnless(shutil.which("redis-cli"), "redis-cli is not installed")
    def test_redis_cli(self):
        def cli(*words):
            return subprocess.run(["redis-cli", "-p", str(self.server.port), *words], text=True,
                                  capture_output=True, timeout=PATIENCE).stdout
        self.assertEqual(cli("SET", "greeting", "hello there", "EX", "100"), "OK\n")
        self.assertEqual(cli("GET", "greeting"), "hello there\n")
        self.assertEqual(cli("TTL", "greeting"), "100\n")
        self.assertEqual(cli("INCR", "n"), "1\n")

    @unittest.skipUnless(shutil.which("redis-benchmark"), "redis-benchmark is not installed")
    def test_redis_benchmark(self):
        done = subprocess.run(["redis-benchmark", "-p", str(self.server.port), "-t", "ping,set,get",
                               "-n", "20000", "-c", "50", "-P", "16", "-q"], text=True,
                              capture_output=True, timeout=4 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("requests per second"), 4)
        self.assert_drains()


if __name__ == "__main__":
    main()
