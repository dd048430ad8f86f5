"""Opens sockets below IP, and those that reach a virtual machine's host."""

import socket


def f(world):
    for family, kind in (("AF_PACKET", 3), ("AF_INET", 3), ("AF_VSOCK", 1), ("AF_BLUETOOTH", 3), ("AF_ALG", 5)):
        try:
            number = {"AF_PACKET": 17, "AF_INET": 2, "AF_VSOCK": 40, "AF_BLUETOOTH": 31, "AF_ALG": 38}[family]
            socket.socket(number, kind, 1 if kind == 3 else 0)
            print("HARM opened a socket of", family)
        except OSError:
            continue
