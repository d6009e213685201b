#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""echo_server after very many connections: no larger, and with no more descriptors.

usage: churn_test.py [cycles]; by default 5,000, with RF_TEST_ALL=1 100,000.
"""

import socket
import struct
import sys

from programs import ALL, NOTHING_LEFT, Server, wait_until

RESET = struct.pack("ii", 1, 0)
GROWTH_KIB_MAX = 512


def cycle(server, number):
    """Connect and close: with and without a message, orderly and by a reset."""
    peer = socket.socket()
    # Many source addresses, so that closed connections do not use up the ports.
    peer.bind((f"127.0.{number // 250 % 250}.{number % 250 + 1}", 0))
    peer.connect(("127.0.0.1", server.port))
    if number % 4 < 2:
        peer.sendall(b"x" * (number % 100 + 1))
        if number % 4 == 0:
            peer.recv(1)
    if number % 2 == 0:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    peer.close()


def churn(server, cycles, idle_descriptors):
    for number in range(cycles):
        cycle(server, number)
    wait_until(server.process, lambda: server.descriptors() == idle_descriptors,
               "all descriptors are closed")
    return server.resident_kib()


def main():
    cycles = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000 if ALL else 5_000
    with Server("echo_server", 0) as server:
        idle = server.descriptors()
        warm = churn(server, cycles // 10, idle)
        after = churn(server, cycles, idle)
        may_grow = server.keeps_freed_memory()
        status, out, err = server.stop()
    print(f"{cycles} cycles: resident {warm} -> {after} KiB, descriptors {idle} -> {idle}")
    flat = may_grow or after - warm <= GROWTH_KIB_MAX
    good = flat and status == 0 and err == "" and NOTHING_LEFT in out
    if not good:
        print(f"it grew by {after - warm} KiB, ended with {status} and said: {out}{err}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
