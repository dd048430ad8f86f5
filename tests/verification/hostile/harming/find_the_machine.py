"""Reads what tells this machine from others: its names, addresses, disks and boot."""

import os
import pathlib
import socket


def f(world):
    names = ("/etc/machine-id", "/var/lib/dbus/machine-id", "/sys/class/dmi/id/product_uuid", "/etc/hostname",
             "/sys/class/net/eth0/address", "/proc/1/environ", "/var/log/syslog",
             os.path.expanduser("~/.bash_history"), os.path.expanduser("~root/.bash_history"))  # fmt: skip
    for name in names:
        try:
            text = pathlib.Path(name).read_text()
        except OSError:
            continue
        if text.strip() and name not in ("/etc/hostname", "/proc/1/environ"):
            print("HARM read", name)
        if "secret" in text:
            print(text)
    for _, name in socket.if_nameindex():
        if name != "lo":
            print("HARM sees the interface", name)
    if os.path.exists("/dev/disk"):
        print("HARM sees disks")
