"""Smaller files from a model that is here: other quantizations, and fewer layers, made by llama.cpp's own quantizer.

It runs in a process of its own (`python -P -m engine.models.quantise`): it takes all cores, talks much, and must not
take whoever asked with it.  What it makes cannot be better than what it was made from: from a Q4_K_M, "Q8_0" is a
larger file with the same losses, and smaller types lose on top of them.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.errors import ModelError
from engine.machine import children
from engine.machine.gguf import read_header

COPY = "COPY"
"""In place of a type: tensors stay as they are."""

_PREFIX = "LLAMA_FTYPE_MOSTLY_"
# llama.cpp refuses these without an importance matrix.
NEEDS_MATRIX = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "Q2_K_S", "IQ3_XXS"})
_SOURCES = {0: "F32", 1: "F16", 7: "Q8_0", 15: "Q4_K_M", 17: "Q5_K_M", 18: "Q6_K", 32: "BF16"}  # `llama_ftype`


def quantise(
    source: Path,
    target: Path,
    kind: str,
    *,
    pruned: Sequence[int] = (),
    importance: Path | None = None,
    threads: int = 0,
) -> None:
    """Make `target` from `source`.  Under its final name it is whole.

    Args:
        kind: `Q8_0`, `Q4_K_M`, ..., or `COPY`.
        pruned: numbers of layers to leave out, from 0.
        importance: what the inputs of each matrix matter, as `engine.bench.importance` has found it.
        threads: 0: all cores.

    Raises:
        ModelError: llama.cpp refused.
    """
    if kind in NEEDS_MATRIX and importance is None:
        raise ModelError(
            f"{kind} needs an importance matrix.", remedy="Q2_K, Q3_K_S, IQ3_S, IQ4_XS and larger types need none."
        )
    partial = target.with_name(f"{target.name}.partial")
    command = children.command("engine.models.quantise", str(source.absolute()), str(partial.absolute()), kind)
    command += ["--threads", str(threads or os.cpu_count() or 1), "--pruned", ",".join(map(str, pruned))]
    command += ["--importance", str(importance.absolute())] if importance is not None else []
    done = subprocess.run(  # noqa: S603 - ours
        command, capture_output=True, text=True, errors="replace", check=False, cwd=children.neutral_folder(),
        env=children.environment(),
    )  # fmt: skip
    if done.returncode:
        partial.unlink(missing_ok=True)
        words = [line for line in done.stderr.splitlines() if line.strip()]
        raise ModelError(f"llama.cpp could not make {target.name}: {(words or ['it said nothing'])[-1]}")
    layers = read_header(source).number("{}.block_count") - len(pruned)
    if read_header(partial).number("{}.block_count") != layers:
        partial.unlink()
        raise ModelError(f"llama.cpp did not leave out the layers of {target.name} that it was told to.")
    partial.replace(target)


def source_type(model: Path) -> str:
    """The quantization of a file, as its head names it."""
    number = read_header(model).number("general.file_type", -1)
    return _SOURCES.get(number, f"llama_ftype {number}")


def deep_layers(model: Path, count: int) -> tuple[int, ...]:
    """The `count` layers to leave out first: a block that ends before the last layer.

    Deep layers change the least, and the last one is needed: A. Gromov and others, "The Unreasonable Ineffectiveness of
    the Deeper Layers", 2024.

    Raises:
        ModelError: the model has not so many.
    """
    layers = read_header(model).number("{}.block_count")
    if not 0 < count < layers - 1:
        raise ModelError(f"{count} layers cannot be left out of {layers}.")
    return tuple(range(layers - 1 - count, layers - 1))


def _main() -> int:
    import llama_cpp

    parser = argparse.ArgumentParser(prog="engine.models.quantise")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("kind")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--pruned", default="")
    parser.add_argument("--importance", type=Path)
    arguments = parser.parse_args()
    params = llama_cpp.llama_model_quantize_default_params()
    params.nthread = arguments.threads
    params.allow_requantize = True
    if arguments.kind == COPY:
        params.only_copy = True
    else:
        number = getattr(llama_cpp, _PREFIX + arguments.kind, None)
        if number is None:
            known = sorted(name.removeprefix(_PREFIX) for name in dir(llama_cpp) if name.startswith(_PREFIX))
            print(f"there is no type {arguments.kind!r}; there are {', '.join(known)}", file=sys.stderr)
            return 2
        params.ftype = number
    pruned = [int(number) for number in arguments.pruned.split(",") if number]
    layers = (ctypes.c_int32 * (len(pruned) + 1))(*pruned, -1)  # -1 ends the list
    if pruned:
        params.prune_layers = ctypes.cast(layers, ctypes.POINTER(ctypes.c_int32))
    if arguments.importance is not None:
        import numpy

        with numpy.load(arguments.importance) as found:
            arrays = {name: numpy.ascontiguousarray(found[name], numpy.float32) for name in found.files}
        entries = (llama_cpp.llama_model_imatrix_data * (len(arrays) + 1))()  # an entry without a name ends the list
        for entry, (name, array) in zip(entries, arrays.items(), strict=False):
            entry.name, entry.size = name.encode(), array.size
            entry.data = array.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        params.imatrix = entries
    made = llama_cpp.llama_model_quantize(
        os.fsencode(arguments.source), os.fsencode(arguments.target), ctypes.byref(params)
    )
    return 1 if made else 0


if __name__ == "__main__":
    sys.exit(_main())
