"""Runs a command in a network namespace that has a way out, and catches every packet that anything in it sends.

`python capture.py COMMAND...` prints, as its last line, JSON: the packets that were caught while the command ran, and
those of a lookup made afterwards on purpose, by which one sees that the way out is there and is watched.  The way out
is a TUN device: what is routed to it is handed to this process and goes nowhere else.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_SIOCSIFADDR, _SIOCSIFFLAGS, _SIOCADDRT = 0x8916, 0x8914, 0x890B
_IFF_UP, _RTF_UP = 0x1, 0x1
_ALL_PROTOCOLS = 0x0003
NAME, OWN, FAR = b"out0", "192.0.2.1", "203.0.113.9"


class Route(ctypes.Structure):
    """`struct rtentry` of the C library."""

    _fields_ = (
        ("_1", ctypes.c_ulong), ("destination", ctypes.c_char * 16), ("gateway", ctypes.c_char * 16),
        ("mask", ctypes.c_char * 16), ("flags", ctypes.c_ushort), ("_2", ctypes.c_short), ("_3", ctypes.c_ulong),
        ("_4", ctypes.c_void_p), ("metric", ctypes.c_short), ("device", ctypes.c_char_p), ("mtu", ctypes.c_ulong),
        ("window", ctypes.c_ulong), ("irtt", ctypes.c_ushort),
    )  # fmt: skip


def address(host: str) -> bytes:
    return struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(host))


def open_way_out() -> int:
    """A TUN device with the default route; its descriptor, which has to stay open."""
    with contextlib.suppress(OSError):  # the kernel itself would announce a new device
        Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", NAME, _IFF_TUN | _IFF_NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFADDR, struct.pack("16s16s8x", NAME, address(OWN)))
        for name in (NAME, b"lo"):
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", name, _IFF_UP))
        route = Route(destination=address("0.0.0.0"), mask=address("0.0.0.0"), flags=_RTF_UP, device=NAME)
        fcntl.ioctl(control, _SIOCADDRT, bytes(route))  # the name's bytes live as long as `route`
    return device


class Capture:
    """Every packet that any interface of the namespace takes or hands out, loopback included."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL_PROTOCOLS))
        self._packets: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            data, (interface, protocol, *_) = self._socket.recvfrom(65536)
            self._packets.append(f"{interface} {protocol:#06x} {data[:48].hex()}")

    def taken(self) -> list[str]:
        """What was caught since the last call."""
        time.sleep(0.2)
        found, self._packets = self._packets, []
        return found


def look_up() -> None:
    """What a program does first that wants to reach somebody."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(b"control", (FAR, 53))


def main(command: list[str]) -> int:
    device = open_way_out()
    capture = Capture()
    status = subprocess.run(command, check=False).returncode
    caught = capture.taken()
    look_up()
    print(json.dumps({"status": status, "packets": caught, "control": capture.taken()}), flush=True)
    os.close(device)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
