"""Reads a private key of the user's, by the home folder's path and by the password file's."""

import os
import pwd


def f(world):
    for home in (world.home, os.path.expanduser("~"), pwd.getpwuid(os.getuid()).pw_dir):
        try:
            print(open(os.path.join(home, ".ssh", "id_ed25519")).read())
        except OSError:
            continue
