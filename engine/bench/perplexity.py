"""How surprised a model is by a text, in a process of its own: `python -P -m engine.bench.perplexity --model FILE ...`.

The text is cut into windows; in each, the tokens of the second half are scored, given all before them in the window:
exp of the mean negative log likelihood, as llama.cpp's own tool computes it.  Only figures of the same text, tokenizer
and window can be compared.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from engine.host.backend import Backend

WINDOW = 512


def perplexity(backend: Backend, tokens: list[int], windows: int) -> tuple[float, int]:
    """Perplexity over the first `windows` windows of `tokens`, and how many tokens were scored."""
    surprise, scored = 0.0, 0
    for start in range(0, min(len(tokens), windows * WINDOW), WINDOW):
        window = tokens[start : start + WINDOW]
        if len(window) < WINDOW:
            break
        backend.clear()
        backend.batch.clear()
        for position, token in enumerate(window):
            backend.batch.add(token, position, 0, logits=position >= WINDOW // 2 - 1)
        backend.decode()
        for position in range(WINDOW // 2 - 1, WINDOW - 1):
            surprise -= backend.logprobs(position, window[position + 1], 0)[0]
            scored += 1
    return (math.exp(surprise / scored) if scored else math.nan), scored


def reading(name: str) -> argparse.ArgumentParser:
    """The arguments of a process that has a model read a text."""
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--windows", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    return parser


def main() -> None:
    arguments = reading("engine.bench.perplexity").parse_args()
    backend = Backend(arguments.model, context_tokens=WINDOW, threads=arguments.threads, sequences=1)
    tokens = backend.tokenize(arguments.text.read_text("utf-8"))
    value, scored = perplexity(backend, tokens, arguments.windows)
    print(json.dumps({"perplexity": value, "tokens": scored}))
    backend.close()


if __name__ == "__main__":
    main()
