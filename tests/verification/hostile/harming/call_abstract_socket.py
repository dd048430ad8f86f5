"""Connects to an abstract Unix socket, which no file system holds."""

import socket


def f(world):
    try:
        server = socket.socket(socket.AF_UNIX)
        server.connect("\0" + world.abstract)
        server.sendall(b"do something")
    except OSError:
        pass
