"""Scripts that run in other processes: the standard library alone, no import of anything of Greenfinch.

They are started by path, never imported by the engine.  `runner` runs in the user's interpreter (CPython 3.9 and
later), `launcher` (with `view`) and `limits` in Greenfinch's own, before the user's interpreter takes their place.
"""
