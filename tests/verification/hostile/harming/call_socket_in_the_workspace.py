"""Connects to a socket that lies in the workspace."""

import socket


def f(world):
    try:
        server = socket.socket(socket.AF_UNIX)
        server.connect(world.near)
        server.sendall(b"do something")
    except OSError:
        pass
