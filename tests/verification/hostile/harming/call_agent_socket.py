"""Connects to the socket of a key agent."""

import socket


def f(world):
    try:
        agent = socket.socket(socket.AF_UNIX)
        agent.connect(world.unix)
        agent.sendall(b"sign")
    except OSError:
        pass
