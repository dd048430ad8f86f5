"""Models: which there are, where they lie on this machine, and how they get there.

`catalogue` is data, `store` finds files, `pull` fetches and checks them.  Nothing here loads a model: this room imports
neither llama.cpp nor numpy, so that the language server can ask it whether a model is installed.
"""
