"""Connects to a TCP server outside, by loopback and by every address of the machine."""

import socket


def f(world):
    for address in ("127.0.0.1", "::1", *world.addresses):
        try:
            socket.create_connection((address, world.tcp), 0.5).sendall(b"stolen")
        except OSError:
            continue
