"""Opens a port for whoever connects from outside."""

import socket


def f(world):
    try:
        server = socket.create_server(("0.0.0.0", world.listen))
        server.settimeout(0.6)
        server.accept()
    except OSError:
        pass
