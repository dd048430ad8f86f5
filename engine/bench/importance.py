"""What each input of each matrix matters, for llama.cpp's quantizer: `python -P -m engine.bench.importance ...`.

The mean of an input's squares over a text: where activations are large, a weight's error costs much (the "importance
matrix" of I. Kawrakow, llama.cpp pull request 4861).  It is read from the model's own matrix products while it reads
the text, by the callback that llama.cpp offers for that.  What it tells is of the file that was run: from a Q4_K_M, of
the activations that a Q4_K_M has.
"""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any

import llama_cpp
import numpy
from llama_cpp._ggml import libggml
from numpy.typing import NDArray

from engine.bench.perplexity import WINDOW, reading
from engine.host.backend import Backend, BackendError

_F32 = 0  # of ggml_type


class _Tensor(ctypes.Structure):
    """`ggml_tensor`; llama.cpp has no calls that tell a product's inputs."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * 4),
        ("nb", ctypes.c_size_t * 4),
        ("op", ctypes.c_int),
        ("op_params", ctypes.c_int32 * 16),
        ("flags", ctypes.c_int32),
        ("src", ctypes.c_void_p * 10),
        ("view_src", ctypes.c_void_p),
        ("view_offs", ctypes.c_size_t),
        ("data", ctypes.c_void_p),
        ("name", ctypes.c_char * 64),
    )


for _name, _result in {
    "ggml_op_desc": ctypes.c_char_p,
    "ggml_get_name": ctypes.c_char_p,
    "ggml_get_data": ctypes.c_void_p,
}.items():
    _function = getattr(libggml, _name)
    _function.restype, _function.argtypes = _result, [ctypes.c_void_p]


class Collector:
    """Sums up squares of the inputs of each layer's matrices.

    Attributes:
        callback: what a context gets as `cb_eval`.
    """

    def __init__(self) -> None:
        self._sums: dict[str, NDArray[numpy.float64]] = {}
        self._counts: dict[str, int] = {}
        self._problem = ""
        self.callback = llama_cpp.ggml_backend_sched_eval_callback(self._see)

    def importance(self) -> dict[str, NDArray[numpy.float32]]:
        """Mean squares by the matrix's name.

        Raises:
            BackendError: this llama.cpp's tensors are laid out in another way, or the model has no such matrices.
        """
        if self._problem or not self._sums:
            raise BackendError(self._problem or "no matrix product of a layer was seen")
        return {name: (total / self._counts[name]).astype(numpy.float32) for name, total in self._sums.items()}

    def _see(self, address: int, ask: bool, _data: Any) -> bool:
        """llama.cpp asks first whether a tensor is of interest, and shows it then when it is computed."""
        if self._problem:
            return not ask
        if ask:
            return bool(libggml.ggml_op_desc(address) == b"MUL_MAT")
        tensor = _Tensor.from_address(address)
        weights, inputs = (_Tensor.from_address(tensor.src[n]) for n in (0, 1))
        for part, at in ((tensor, address), (weights, tensor.src[0]), (inputs, tensor.src[1])):
            if part.name != libggml.ggml_get_name(at) or part.data != libggml.ggml_get_data(at):
                self._problem = "this llama.cpp lays out its tensors in another way than is known here"
                return True
        name = weights.name.decode("utf-8", "replace")
        if (
            name.startswith("blk.")
            and name.endswith(".weight")
            and inputs.type == _F32
            and inputs.ne[1]
            and inputs.ne[2] == 1
        ):
            width, rows = inputs.ne[0], inputs.ne[1]
            values = numpy.ctypeslib.as_array((ctypes.c_float * (width * rows)).from_address(inputs.data))
            squares = numpy.square(values.reshape(rows, width), dtype=numpy.float64).sum(axis=0)
            self._sums[name] = self._sums.get(name, 0.0) + squares
            self._counts[name] = self._counts.get(name, 0) + rows
        return True


def main() -> None:
    parser = reading("engine.bench.importance")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    collector = Collector()
    # Without a GPU: the inputs have to lie in this memory.
    backend = Backend(arguments.model, context_tokens=WINDOW, threads=arguments.threads, sequences=1, gpu_layers=0,
                      watch=collector.callback)  # fmt: skip
    tokens = backend.tokenize(arguments.text.read_text("utf-8"))[: arguments.windows * WINDOW]
    for start in range(0, len(tokens), WINDOW):
        backend.clear()
        backend.batch.clear()
        for position, token in enumerate(tokens[start : start + WINDOW]):
            backend.batch.add(token, position, 0, logits=True)  # else the last layer's products are left out
        backend.decode()
    found = collector.importance()
    with arguments.out.open("wb") as file:
        numpy.savez(file, **found)  # type: ignore[arg-type] # names of arrays, all of one type
    print(json.dumps({"tokens": len(tokens), "matrices": len(found)}))
    backend.close()


if __name__ == "__main__":
    main()
