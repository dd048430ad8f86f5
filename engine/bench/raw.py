"""What a model really takes here, without a host: `python -P -m engine.bench.raw --model FILE ...` prints JSON.

As the host does it: the same context and batch, prompts in chunks, candidates that share their prompt.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cattrs
import psutil
from attrs import frozen

from engine.errors import ModelError
from engine.machine import children

if TYPE_CHECKING:
    from engine.host.backend import Backend

_CHUNK = 64


@frozen
class Raw:
    """Tokens per second of reading a prompt, of one candidate and of n together; bytes resident at the most."""

    prompt_rate: float
    decode_rate: float
    decode_rate_n: float
    resident: int
    anonymous: int


def measure(model: Path, *, context: int, n: int, threads: int, prompt: int, tokens: int) -> Raw:
    """One measurement, in a process of its own.

    Raises:
        ModelError: it failed.
    """
    command = children.command("engine.bench.raw", "--model", str(model.absolute()), "--context", str(context))
    command += ["--n", str(n), "--threads", str(threads), "--prompt", str(prompt), "--tokens", str(tokens)]
    done = subprocess.run(  # noqa: S603 - ours
        command, capture_output=True, text=True, errors="replace", check=False, cwd=children.neutral_folder(),
        env=children.environment(),
    )  # fmt: skip
    if done.returncode:
        raise ModelError(f"{model.name} could not be measured: {done.stderr.strip()[-300:]}")
    return cattrs.structure(json.loads(done.stdout), Raw)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="engine.bench.raw")
    parser.add_argument("--model", type=Path, required=True)
    for name in ("context", "n", "threads", "prompt", "tokens"):
        parser.add_argument(f"--{name}", type=int, required=True)
    arguments = parser.parse_args()
    from engine.host.backend import BackendError

    try:
        backend = _load(arguments.model, arguments.context, arguments.threads)
    except (ModelError, BackendError, OSError) as error:
        sys.exit(str(error))
    text = "def scale(values, factor):\n    return [value * factor for value in values]\n\n" * arguments.prompt
    tokens = backend.tokenize(text)[: arguments.prompt]

    def read(start: int, stop: int) -> None:
        for first in range(start, stop, _CHUNK):
            backend.batch.clear()
            for position in range(first, min(first + _CHUNK, stop)):
                backend.batch.add(tokens[position], position, 0, logits=position == len(tokens) - 1)
            backend.decode()

    def decode(n: int) -> float:
        for sequence in range(1, n + 1):
            backend.copy_prefix(0, sequence, len(tokens))
        begun = time.monotonic()
        for step in range(arguments.tokens):
            backend.batch.clear()
            for sequence in range(1, n + 1):
                backend.batch.add(tokens[step], len(tokens) + step, sequence, logits=True)
            backend.decode()
        spent = time.monotonic() - begun
        for sequence in range(1, n + 1):
            backend.remove(sequence)
        return float(n * arguments.tokens / spent)

    read(0, _CHUNK)  # the first step of all pays for pages and threads
    begun = time.monotonic()
    read(_CHUNK, len(tokens))
    prompt_rate = (len(tokens) - _CHUNK) / (time.monotonic() - begun)
    one, many = decode(1), decode(arguments.n)
    resident, anonymous = _memory()
    print(json.dumps({"prompt_rate": prompt_rate, "decode_rate": one, "decode_rate_n": many,
                      "resident": resident, "anonymous": anonymous}))  # fmt: skip
    backend.close()


def _load(model: Path, context: int, threads: int) -> Backend:
    """With all of the context: a shorter one would be measured as what it is not.

    Raises:
        ModelError: memory is too short for it, or the file is no model.
        BackendError: llama.cpp refused it.
    """
    from engine.host.backend import Backend, uses_gpu
    from engine.machine.gguf import read_header
    from engine.machine.memory import MemoryShortError, available_bytes, fitting_context
    from engine.models.fit import HELD

    header = read_header(model)
    if not uses_gpu() or sys.platform == "darwin":  # as a host sees it; see `engine.host.loading`
        try:
            tokens = fitting_context(header, context, available_bytes(), batch=Backend.BATCH, sequences=HELD)
        except MemoryShortError as error:
            raise ModelError(str(error)) from error
        if tokens < min(context, header.number("{}.context_length") or context):
            raise ModelError(f"Memory is too short for a context of {context} tokens.")
    return Backend(model, context_tokens=context, threads=threads, sequences=HELD)


def _peak() -> int:
    """Bytes resident at the most."""
    try:
        import resource
    except ImportError:  # Windows
        found: Any = psutil.Process().memory_info()
        return int(found.peak_wset)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _memory() -> tuple[int, int]:
    """Bytes resident at the most, and those of them now that are no file's; 0 where the latter is not told."""
    peak = _peak()
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
    except OSError:
        return peak, 0
    anonymous = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), 0)
    return peak, anonymous


if __name__ == "__main__":
    _main()
