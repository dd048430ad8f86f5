"""Which model this machine can run, and how fast: predicted from the model's measures and the machine's.

A decode step reads all weights once, whatever the number of candidates, and then computes for each of them:

    seconds(n) = bytes read / bandwidth + n * 2 * weights / operations per second

Prompts only compute, and without the output layer.  This is the usual roofline reasoning (S. Williams and others,
"Roofline", 2009) with the two parts added, since on CPUs they overlap little.  There `engine.machine.speed` has
measured llama.cpp's own kernels, reading together with the first candidate's computing, and prompts by themselves; the
constants say how much of that, or of what a card's data sheet says, a whole model reaches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from engine.machine.gpus import Gpu
from engine.machine.hardware import Hardware
from engine.models.catalogue import ModelEntry
from engine.models.shape import Shape

BATCH = 512  # tokens of one step, as the host has it
_REPACKED = 0.83  # of the layers' weights in a Q4_K_M: set by one model (1.5B)
_CHUNK = 64  # tokens of a prompt that the host reads in a step
HELD = 64  # sequences that the host's cache tells apart
PROMPT_TOKENS, REPLY_TOKENS = 400, 90
"""A target with its tests and surroundings, and a body: medians of small functions."""
VERIFY_SECONDS = 3.0
"""Finding the judge, a verdict and the confirmation."""

_PROCESS = 96 << 20  # bytes: Python, the server, llama.cpp's smaller buffers
_GPU_RUNTIME = 450 << 20  # bytes that a driver takes for a process
_GPU_RESERVE = 0.05  # of a card's memory, for the screen
_RAM_RESERVE = 128 << 20
# Set by two models (0.5B, 1.5B) on one machine (two cores of an AMD EPYC, AVX2).  For others they are a guess that
# `models fit --measure` checks.
_CPU_BANDWIDTH, _CPU_FLOPS, _CPU_BATCH_FLOPS = 0.85, 1.3, 0.7
# Not measured here: what public benchmarks of llama.cpp show of cards with known data sheets.
_GPU_BANDWIDTH, _GPU_FLOPS = 0.7, 0.3
_UNKNOWN_BANDWIDTH = 200e9  # bytes per second of a card that says nothing; of many, about the least
_FLOPS_PER_BYTE = 38.0  # of Apple's chips, for GPUs that say nothing


@frozen
class Plan:
    """One model on one machine.

    Attributes:
        kind: quantization. present: whether the file is here, so that its measures are known and not estimated.
        gpu_layers: of `layers`, the output counted as one.
        ram, gpu_memory: bytes that it takes.
        fits: there is room. prompt_rate, decode_rate, decode_rate_n: tokens per second of reading a prompt, of one
            candidate, and of `sequences` together; 0: the machine's speed is not known.
        seconds: to a verified edit, if the first candidate passes.
    """

    model: str
    kind: str
    present: bool
    context: int
    sequences: int
    kv: str
    layers: int
    gpu_layers: int
    ram: int
    gpu_memory: int
    fits: bool
    prompt_rate: float
    decode_rate: float
    decode_rate_n: float
    seconds: float

    @property
    def device(self) -> str:
        return "CPU" if not self.gpu_layers else "GPU" if self.gpu_layers == self.layers else "GPU+CPU"


def plan(
    name: str, shape: Shape, machine: Hardware, *, kind: str = "Q4_K_M", context: int = 8192, sequences: int = 8,
    kv: str = "f16", present: bool = False,
) -> Plan:  # fmt: skip
    """How `shape` would run on `machine`: on the GPU as far as it has room, the rest on the CPU.

    Args:
        context: tokens, shared by all candidates. sequences: candidates decoded together.
        kv: type of the KV cache's cells, a key of `shape.KV_BITS`.
    """
    context = min(context, shape.context) if shape.context else context
    layers = shape.layers + 1
    on_gpu = _gpu_layers(shape, machine.gpu, context, kv) if machine.gpu else 0
    shared = machine.gpu is not None and machine.gpu.shared
    gpu_memory = _gpu_bytes(shape, on_gpu, context, kv) if on_gpu else 0
    ram = _ram_bytes(shape, on_gpu, context, kv) + (gpu_memory if shared else 0)
    fits = ram + _RAM_RESERVE <= machine.ram_free
    prompt, one, many = _rates(shape, machine, on_gpu, sequences)
    seconds = PROMPT_TOKENS / prompt + REPLY_TOKENS / one + VERIFY_SECONDS if prompt and one else 0.0
    return Plan(
        name, kind, present, context, sequences, kv, layers, on_gpu, ram, gpu_memory, fits,
        round(prompt, 1), round(one, 1), round(many, 1), round(seconds, 1),
    )  # fmt: skip


def plans(
    entries: Sequence[ModelEntry], machine: Hardware, *, kinds: Sequence[str] = (), context: int = 8192,
    sequences: int = 8, kv: str = "f16", installed: frozenset[str] = frozenset(),
) -> Iterator[Plan]:  # fmt: skip
    """Of each model of a catalogue: its own file, then other quantizations of it."""
    for entry in entries:
        shape = Shape.of_entry(entry)
        if shape is None:
            continue
        own = entry.quantization
        for kind in (own, *(kind for kind in kinds if kind != own)):
            sized = shape if kind == own else shape.quantised(kind)
            present = kind == own and entry.name in installed
            yield plan(
                entry.name, sized, machine, kind=kind, context=context, sequences=sequences, kv=kv, present=present
            )


def _ram_bytes(shape: Shape, on_gpu: int, context: int, kv: str) -> int:
    """Memory of the host's process: weights and cache that are not on the GPU, and logits of a batch."""
    left = 1 - on_gpu / (shape.layers + 1)
    logits = 4 * shape.vocabulary * (BATCH * (left > 0) + HELD)
    return round(left * (shape.file + context * shape.cell(kv)) + logits + _PROCESS)


def resident_bytes(shape: Shape, context: int, sequences: int) -> int:
    """What a host on the CPU is seen to hold at the most: buffers for the largest batch are made, but not touched.

    Tensors of 4 bits are kept a second time in an order that suits the processor, where rows are whole blocks; while
    they are made, both count.
    """
    logits = 4 * shape.vocabulary * (_CHUNK + sequences)
    repacked = _REPACKED * shape.body * 4.5 / 8 if shape.width % 256 == 0 else 0.0
    return round(shape.file + repacked + context * shape.cell() + logits + _PROCESS)


def _gpu_bytes(shape: Shape, layers: int, context: int, kv: str) -> int:
    """Memory of the card: the layers' weights and cache, a batch's logits and activations, the driver's own."""
    part = layers / (shape.layers + 1)
    buffers = 4 * BATCH * (shape.vocabulary + 4 * shape.inner)
    return round(part * (shape.file + context * shape.cell(kv)) + buffers + _GPU_RUNTIME)


def _gpu_layers(shape: Shape, gpu: Gpu, context: int, kv: str) -> int:
    room = gpu.free - _GPU_RESERVE * gpu.total
    return next((n for n in range(shape.layers + 1, 0, -1) if _gpu_bytes(shape, n, context, kv) <= room), 0)


def _rates(shape: Shape, machine: Hardware, on_gpu: int, sequences: int) -> tuple[float, float, float]:
    """Tokens per second: prompt, one candidate, `sequences` together."""
    part = on_gpu / (shape.layers + 1)
    weights = shape.body + shape.output
    devices = []
    if part < 1:
        batch_flops = _CPU_BATCH_FLOPS * machine.batch_flops or _CPU_FLOPS * machine.flops
        devices.append((1 - part, _CPU_BANDWIDTH * machine.bandwidth, _CPU_FLOPS * machine.flops, batch_flops, 1))
    if machine.gpu is not None and on_gpu:
        bandwidth = machine.gpu.bandwidth or (machine.bandwidth if machine.gpu.shared else _UNKNOWN_BANDWIDTH)
        flops = _GPU_FLOPS * (machine.gpu.flops or _FLOPS_PER_BYTE * bandwidth)
        devices.append((part, _GPU_BANDWIDTH * bandwidth, flops, flops, 0))
    if any(not bandwidth or not flops for _, bandwidth, flops, _, _ in devices):
        return 0.0, 0.0, 0.0

    def step(candidates: int) -> float:
        return sum(
            share * (shape.read / bandwidth + (candidates - read_with) * 2 * weights / flops)
            for share, bandwidth, flops, _, read_with in devices
        )

    prompt = sum(
        share * (2 * shape.body / batch_flops + shape.read / bandwidth / BATCH)
        for share, bandwidth, _, batch_flops, _ in devices
    )
    return 1 / prompt, 1 / step(1), sequences / step(sequences)
