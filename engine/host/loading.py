"""Loads a model, after a look at whether its file is whole and whether it fits into memory."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from engine.host.backend import Backend, BackendError, uses_gpu
from engine.machine.gguf import UnfitModelError, read_header
from engine.machine.memory import MemoryShortError, available_bytes, fitting_context

log = logging.getLogger("greenfinch.host")

# Why a host could not begin: `error_code` of /health, and what the process ends with.
MODEL_UNFIT = "model"
MEMORY_SHORT = "memory"
FAILED = "failed"
EXIT_CODES = {FAILED: 1, MODEL_UNFIT: 3, MEMORY_SHORT: 4}


def load(model: Path, *, context_tokens: int, threads: int, sequences: int) -> Backend:
    """The model with a context of `context_tokens`, or of as many as memory allows.

    Raises:
        BackendError: with one of the codes above.
    """
    try:
        header = read_header(model)
    except (UnfitModelError, OSError) as error:
        raise BackendError(str(error), code=MODEL_UNFIT) from error
    tokens = context_tokens
    # On a card of its own the weights are not in this memory; a Mac's GPU shares it.
    if not uses_gpu() or sys.platform == "darwin":
        try:
            tokens = fitting_context(
                header, context_tokens, available_bytes(), batch=Backend.BATCH, sequences=sequences
            )
        except MemoryShortError as error:
            raise BackendError(f"{model} does not fit: {error}", code=MEMORY_SHORT) from error
    limit = header.number("{}.context_length") or context_tokens
    backend = Backend(model, context_tokens=tokens, threads=threads, sequences=sequences)
    if tokens < min(context_tokens, limit):
        backend.note = f"a context of {backend.context_tokens} instead of {context_tokens} tokens, for want of memory"
        log.warning("%s: %s", model.name, backend.note)
    return backend
