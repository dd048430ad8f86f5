"""The command line.  Thin: it parses arguments, drives `Engine`, and prints events.

Exit status: 0 it passed or worked; 1 it ran and did not pass; 2 it could not run (the remedy is on stderr).
"""
