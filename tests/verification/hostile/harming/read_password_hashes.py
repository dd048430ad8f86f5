"""Reads password hashes and host keys, as far as this user may."""

import glob


def f(world):
    keys = (*glob.glob("/etc/ssh/ssh_host_*_key"), *glob.glob("/etc/ssl/private/*"))
    for path in ("/etc/shadow", "/etc/gshadow", *keys):
        try:
            if open(path, "rb").read():
                print("HARM read", path)
        except OSError:
            continue
