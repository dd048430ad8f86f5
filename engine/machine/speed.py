"""How fast this machine multiplies quantized weights, measured in a second or two: what a model's speed follows from.

The measurement is made with llama.cpp's own kernels and threads, over weights that caches do not hold, since nothing
else predicts them: of plain reading of memory they reach a half on one machine and all of it on another.  llama.cpp is
loaded for it, so it runs in a process of its own: `python -P -m engine.machine.speed THREADS`.
"""

from __future__ import annotations

import ctypes
import json
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from attrs import asdict, frozen

from engine.machine import children

_SECONDS = 60.0
_INNER, _OUTER, _MATRICES = 2048, 8192, 6  # 100 million weights
_F32, _Q4_K = 0, 12  # ggml's numbers of these types
_BITS = 4.5  # of a weight of type Q4_K
_SOME, _MANY = 8, 64  # rows: candidates, and tokens of a prompt
_ROUNDS = 7
_FILL = 0x11  # any byte that makes finite numbers; pages that were never written would all be one page of zeros


@frozen
class Speed:
    """What all usable cores do together, in the machine's present state (the median of some rounds).

    Attributes:
        bandwidth: bytes of weights a second, multiplied with one row.
        flops: operations a second on every further row of a few; batch_flops: on each of many rows.
    """

    bandwidth: float
    flops: float
    batch_flops: float


def measure(threads: int) -> Speed | None:
    """Blocks for about two seconds of work by all cores.  None: it failed, as without llama.cpp."""
    try:
        done = subprocess.run(  # noqa: S603 - ours
            children.command("engine.machine.speed", str(threads)), capture_output=True, text=True, timeout=_SECONDS,
            check=True, cwd=children.neutral_folder(), env=children.environment(),
        )  # fmt: skip
        return Speed(**json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return None


class _Memory(ctypes.Structure):
    """ggml's `ggml_init_params`."""

    _fields_ = (("size", ctypes.c_size_t), ("buffer", ctypes.c_void_p), ("no_data", ctypes.c_bool))


class _Kernels:
    """The few functions of ggml that multiply matrices."""

    def __init__(self) -> None:
        found = find_spec("llama_cpp")
        if found is None or found.origin is None:
            raise OSError("llama.cpp is not installed")
        self._base, self._cpu = (self._library(Path(found.origin).parent / "lib", name) for name in ("base", "cpu"))
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        for library, name, result, arguments in (
            (self._base, "ggml_init", pointer, [_Memory]),
            (self._base, "ggml_free", None, [pointer]),
            (self._base, "ggml_new_tensor_2d", pointer, [pointer, ctypes.c_int, number, number]),
            (self._base, "ggml_get_data", pointer, [pointer]),
            (self._base, "ggml_nbytes", ctypes.c_size_t, [pointer]),
            (self._base, "ggml_mul_mat", pointer, [pointer] * 3),
            (self._base, "ggml_new_graph", pointer, [pointer]),
            (self._base, "ggml_build_forward_expand", None, [pointer] * 2),
            (self._cpu, "ggml_graph_compute_with_ctx", ctypes.c_int, [pointer, pointer, ctypes.c_int]),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        self._cpu.ggml_cpu_init()

    @staticmethod
    def _library(folder: Path, name: str) -> ctypes.CDLL:
        """Its file's name differs by system: libggml-cpu.so, libggml-cpu.dylib, ggml-cpu.dll."""
        for path in sorted(folder.glob(f"*ggml-{name}.*")):
            if path.suffix in {".so", ".dylib", ".dll"}:
                return ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        raise OSError(f"ggml-{name} does not lie beside llama.cpp's Python package")

    def seconds(self, rows: int, threads: int) -> float:
        """To multiply all weights with so many rows."""
        weights = _INNER * _OUTER * _MATRICES
        size = int(weights * _BITS / 8) + _MATRICES * rows * 4 * (_INNER + _OUTER) * 2 + (64 << 20)
        context = self._base.ggml_init(_Memory(size, None, False))
        try:
            graph = self._base.ggml_new_graph(context)
            for _ in range(_MATRICES):
                matrix = self._tensor(context, _Q4_K, _INNER, _OUTER)
                product = self._base.ggml_mul_mat(context, matrix, self._tensor(context, _F32, _INNER, rows))
                self._base.ggml_build_forward_expand(graph, product)
            taken = []
            for _ in range(1 + _ROUNDS):
                begun = time.perf_counter()
                if self._cpu.ggml_graph_compute_with_ctx(context, graph, threads):
                    raise OSError("llama.cpp could not compute")
                taken.append(time.perf_counter() - begun)
            return statistics.median(taken[1:])  # the first one also gets memory
        finally:
            self._base.ggml_free(context)

    def _tensor(self, context: int, kind: int, inner: int, outer: int) -> int:
        tensor: int = self._base.ggml_new_tensor_2d(context, kind, inner, outer)
        ctypes.memset(self._base.ggml_get_data(tensor), _FILL, self._base.ggml_nbytes(tensor))
        return tensor


def speed(one: float, some: float, many: float) -> Speed:
    """From the seconds that one row, `_SOME` and `_MANY` rows took."""
    weights = _INNER * _OUTER * _MATRICES
    further = max((some - one) / (_SOME - 1), one / 100)  # noise must not make it nothing
    return Speed(weights * _BITS / 8 / one, 2 * weights / further, 2 * weights * _MANY / many)


def _main(threads: int) -> None:
    kernels = _Kernels()
    print(json.dumps(asdict(speed(*(kernels.seconds(rows, threads) for rows in (1, _SOME, _MANY))))))


if __name__ == "__main__":
    _main(int(sys.argv[1]))
