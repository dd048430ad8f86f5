"""Loads a model, after a look at whether its file is whole and whether it fits into memory.

On a GPU that has no room, or was lost lately, fewer layers are put there, and none at last: slower, but it goes on.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from engine.host.backend import Backend, BackendError, UnsupportedModelError, uses_gpu
from engine.host.ladder import GpuLadder
from engine.machine.gguf import Header, UnfitModelError, read_header
from engine.machine.memory import MemoryShortError, available_bytes, fitting_context

log = logging.getLogger("greenfinch.host")

# Why a host could not begin: `error_code` of /health, and what the process ends with.
MODEL_UNFIT = "model"
MEMORY_SHORT = "memory"
FAILED = "failed"
EXIT_CODES = {FAILED: 1, MEMORY_SHORT: 4, MODEL_UNFIT: 5}  # not 3, which Windows gives a process that aborts


def load(model: Path, *, context_tokens: int, threads: int, sequences: int, ladder: GpuLadder) -> Backend:
    """The model with a context of `context_tokens`, or of as many as memory allows.

    `note` and `fallback` of the backend say what is not as it should be.

    Raises:
        BackendError: with one of the codes above.
    """
    try:
        header = read_header(model)
    except (UnfitModelError, OSError) as error:
        what = error.what if isinstance(error, UnfitModelError) else str(error)
        raise BackendError(what, code=MODEL_UNFIT) from error
    layers = header.number("{}.block_count") + 1
    rungs = ladder.rungs(layers) if uses_gpu() else (0,)
    why = "which was lost" if ladder.losses else ""
    for on_gpu in rungs:
        ladder.mark(in_use=on_gpu > 0)
        try:
            backend = _load(model, header, context_tokens, threads, sequences, on_gpu)
        except BackendError as error:
            if on_gpu == rungs[-1] or isinstance(error, UnsupportedModelError):
                raise
            why = "where no more could be loaded"
            log.warning("%d of %d layers on the GPU: %s", on_gpu, layers, error)
            continue
        if why:
            backend.fallback = f"{on_gpu or 'none'} of {layers} layers on the GPU, {why}"
        return backend
    raise AssertionError("the last rung returns or raises")


def _load(model: Path, header: Header, wanted: int, threads: int, sequences: int, on_gpu: int) -> Backend:
    tokens = wanted
    # On a card of its own the weights are not in this memory; a Mac's GPU shares it.
    if not on_gpu or sys.platform == "darwin":
        try:
            tokens = fitting_context(header, wanted, available_bytes(), batch=Backend.BATCH, sequences=sequences)
        except MemoryShortError as error:
            raise BackendError(f"{model} does not fit: {error}", code=MEMORY_SHORT) from error
    backend = Backend(
        model, context_tokens=tokens, threads=threads, sequences=sequences, gpu_layers=on_gpu if uses_gpu() else None
    )
    if tokens < min(wanted, header.number("{}.context_length") or wanted):
        note = f"a context of {backend.context_tokens} instead of {wanted} tokens, for want of memory"
        log.warning("%s: %s", model.name, note)
        backend.note = ", ".join(filter(None, (backend.note, note)))
    return backend
