"""Where candidates' text comes from: the `Generator` protocol and its backends.

A backend is one file.  This room may start the model host, and speaks HTTP to it; it never imports it, nor llama.cpp,
because it runs inside the language server.
"""
