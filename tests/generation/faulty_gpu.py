"""A GPU by injection: statements that give a host one, at the boundary to llama.cpp.

Most machines that run the tests have none, and a build of llama.cpp without one takes any number of layers.  So the
calls to llama.cpp fail as they do on a real card: loading, for want of room or with the process; a decode step, with a
code or with the process.  All else in the host, and the model, is real.
"""

from __future__ import annotations

from typing import Literal

_GPU = """
import os
import llama_cpp
from engine.host import backend

real_load, real_decode = llama_cpp.llama_model_load_from_file, llama_cpp.llama_decode
on_gpu = steps = 0

def load(path, params):
    global on_gpu
    on_gpu = params.n_gpu_layers
    if on_gpu > {room}:
        backend._on_log(4, b"ggml_backend_cuda_buffer_type_alloc_buffer: out of memory", None)
        if {crashes_at_load}:
            os.abort()
        return None
    return real_load(path, params)

def decode(context, batch):
    global steps
    steps += 1
    if on_gpu and steps > {steps}:
        if {crashes}:
            os.write(2, b"CUDA error: device lost\\n")
            os.abort()
        return -3
    return real_decode(context, batch)

llama_cpp.llama_supports_gpu_offload = lambda: True
llama_cpp.llama_model_load_from_file, llama_cpp.llama_decode = load, decode
"""


def gpu(
    *, room: int = 1000, steps: int = 10**9, lost: Literal["code", "crash"] = "code", crashes_at_load: bool = False
) -> str:
    """A GPU that has room for so many layers, and is lost after so many steps, each time that it is used anew."""
    return _GPU.format(room=room, steps=steps, crashes=lost == "crash", crashes_at_load=crashes_at_load)
