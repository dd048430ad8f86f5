"""Loads a model and takes one step with all that llama.cpp knows of this CPU: `python -P -m engine.host.trial FILE`.

Ends with 0, or not at all in order; see `kernels`.
"""

import sys
from pathlib import Path

from engine.host.backend import Backend


def main() -> None:
    backend = Backend(Path(sys.argv[1]), context_tokens=64, threads=1, sequences=1, gpu_layers=0, amx=True)
    tokens = backend.tokenize("def f(x):\n    return x\n")  # several: a single one is multiplied without AMX
    for position, token in enumerate(tokens):
        backend.batch.add(token, position, 0, logits=True)
    backend.decode()
    backend.close()


if __name__ == "__main__":
    main()
