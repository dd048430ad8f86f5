"""Connects to the machine's own services: D-Bus, Docker, journals."""

import socket


def f(world):
    for path in ("/run/dbus/system_bus_socket", "/var/run/docker.sock", "/run/systemd/journal/socket", "/dev/log",
                 "/run/snapd.socket", "/tmp/.X11-unix/X0"):  # fmt: skip
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                socket.socket(socket.AF_UNIX, kind).connect(path)
                print("HARM connected to", path)
            except OSError:
                continue
