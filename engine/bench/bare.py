"""What the host is measured against, in a process of its own: llama.cpp without a host, and llama-cpp-python as it is.

`python -P -m engine.bench.bare KIND --model FILE ...` loads the model, then answers each line of JSON on stdin,
`{"n": 4, "tokens": 48}`, with one on stdout: how many tokens were sampled, and when each candidate had ended.

`loop` is the ceiling: `llama_decode` on n sequences that share their prompt, step after step; nothing is sampled and
nothing is said.  `calls` is one instance of `Llama`, called again and again; `slots` is llama.cpp's own server.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import llama_cpp

from engine.bench.kinds import MESSAGES, TEMPERATURE
from engine.host.backend import Backend
from engine.host.kernels import runs_amx
from engine.host.prompt import encode_chat

Answer = Callable[[int, int], tuple[int, list[float]]]
"""From n and tokens a candidate to tokens sampled in all, and the seconds after which each candidate had ended."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="engine.bench.bare")
    parser.add_argument("kind", choices=("loop", "calls", "slots"))
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--slots", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.kind == "slots":
        _serve(arguments.model, arguments.context, arguments.threads, arguments.slots)
        return
    make = _loop if arguments.kind == "loop" else _calls
    answer = make(arguments.model, arguments.context, arguments.threads)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        tokens, ended = answer(asked["n"], asked["tokens"])
        print(json.dumps({"tokens": tokens, "ended": ended}), flush=True)


def _loop(model: Path, context: int, threads: int) -> Answer:
    backend = Backend(model, context_tokens=context, threads=threads, sequences=64)
    prompt = encode_chat(backend, MESSAGES)
    for start in range(0, len(prompt), Backend.BATCH):
        backend.batch.clear()
        for position, token in enumerate(prompt[start : start + Backend.BATCH], start):
            backend.batch.add(token, position, 0, logits=False)
        backend.decode()

    def answer(n: int, tokens: int) -> tuple[int, list[float]]:
        for sequence in range(1, n + 1):
            backend.copy_prefix(0, sequence, len(prompt))
        begun = time.monotonic()
        for step in range(tokens):
            backend.batch.clear()
            for sequence in range(1, n + 1):
                backend.batch.add(prompt[-1], len(prompt) + step, sequence, logits=True)
            backend.decode()
        ended = time.monotonic() - begun
        for sequence in range(1, n + 1):
            backend.remove(sequence)
        return n * tokens, [ended] * n

    return answer


def _calls(model: Path, context: int, threads: int) -> Answer:
    info = llama_cpp.llama_print_system_info().decode()
    if not runs_amx(model, info):  # `Llama` has no parameter that keeps it from using that
        defaults = llama_cpp.llama_model_default_params()
        defaults.use_extra_bufts = False
        llama_cpp.llama_cpp.llama_model_default_params = lambda: defaults
    llama = llama_cpp.Llama(str(model), n_ctx=context, n_threads=threads, n_threads_batch=threads, verbose=False)
    messages: Any = [{"role": role, "content": content} for role, content in MESSAGES]

    def answer(n: int, tokens: int) -> tuple[int, list[float]]:
        begun, ended, sampled = time.monotonic(), [], 0
        for seed in range(n):
            reply: Any = llama.create_chat_completion(
                messages, max_tokens=tokens, temperature=TEMPERATURE, top_p=0.95, seed=seed
            )
            ended.append(time.monotonic() - begun)
            sampled += reply["usage"]["completion_tokens"]
        return sampled, ended

    answer(1, 1)  # the prompt is in its cache then, as it is in the others'
    return answer


def _serve(model: Path, context: int, threads: int, slots: int) -> None:
    xllamacpp: Any = import_module("xllamacpp")  # of the extra `bench`; without types
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_parallel, params.n_ctx, params.kv_unified = slots, context, True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    server = xllamacpp.Server(params)
    print(json.dumps({"ready": True, "url": server.listening_address}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
