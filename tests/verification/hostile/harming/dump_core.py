"""Dies with a memory dump, as large as it may be."""

import os
import resource


def f(world):
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print("HARM may dump core")
    except (OSError, ValueError):
        pass
    os.abort()
