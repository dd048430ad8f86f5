"""How far a seed holds: company in the batch changes the last bits of sums, and now and then tips an even choice.

llama.cpp adds up in another order when a step holds more tokens, or when a prompt lies elsewhere in the cache.  So as
long as two texts agree their log probabilities do, nearly; and where they part, greedily sampled, the two tokens were
as good as equal.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from host_process import HostProcess

pytestmark = [pytest.mark.model, pytest.mark.slow]

ASKED = "Write a short poem about a bird that builds its nest in a server rack."
OTHERS = ["Explain what a hash table is.", "List ten rivers.", "Count from 1 to 100, one number a line."]
TOKENS = 40
NEARLY = 0.3  # of a natural logarithm; what was seen is up to 0.03 with AVX2, and 0.15 with AVX-512


def greedily(host: HostProcess) -> list[dict[str, Any]]:
    answer = host.ask(ASKED, temperature=0, max_tokens=TOKENS, logprobs=True, top_logprobs=2)
    return list(answer["choices"][0]["logprobs"]["content"])


def beside_others(host: HostProcess) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(host.ask, other, temperature=1, seed=n, max_tokens=60) for n, other in enumerate(OTHERS)]
        asked = pool.submit(greedily, host)
        for other in others:
            other.result()
    return asked.result()


def test_company_changes_no_more_than_last_bits(host: HostProcess) -> None:
    host.ask(ASKED, max_tokens=1)
    alone = greedily(host)
    for other in (greedily(host), beside_others(host)):
        apart = next(
            (n for n, (a, b) in enumerate(zip(alone, other, strict=False)) if a["token"] != b["token"]), TOKENS
        )
        differences = [abs(a["logprob"] - b["logprob"]) for a, b in zip(alone[:apart], other, strict=False)]
        print(f"equal for {apart} of {TOKENS} tokens; log probabilities differ by {max(differences, default=0):.4f}")
        assert all(difference < NEARLY for difference in differences)
        if apart < TOKENS:
            first, second = alone[apart]["top_logprobs"]
            assert first["logprob"] - second["logprob"] < 2 * NEARLY
