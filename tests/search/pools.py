"""Made pools: problems of which it is known how often a sample passes."""

import random

from engine.bench.pool import Recorded, RecordedRun

SHARES = (0.9, 0.6, 0.3, 0.15, 0.05, 0.0)
WRONG = 0.3
"""Of what passes the visible tests, so much is wrong; these differ among each other in what they do."""


def made_run(number: int, share: float, *, samples: int = 14) -> RecordedRun:
    """A run in which a sample passes with probability `share`, of any kind."""
    chance = random.Random(f"{number} {share}")
    found: list[Recorded] = []

    def add(kind: str, variant: str, temperature: float, parent: int | None = None) -> None:
        index = len(found) + 1
        passes = chance.random() < share
        hidden = passes and chance.random() >= WRONG
        vector = (True,) * 3 if passes else (chance.random() < 0.5, chance.random() < 0.5, False)
        found.append(
            Recorded(
                number=index, kind=kind, status="passed" if passes else "failed", variant=variant,
                temperature=temperature, parent=parent, vector=vector, tokens=chance.randrange(30, 90),
                test_seconds=0.2, sha256=str(index), size=chance.randrange(50, 200), group=1 if hidden else 10 + index,
                hidden=hidden, new_chars=0 if variant == "plain" and parent is None else 300,
            )
        )  # fmt: skip

    add("greedy", "plain", 0.0)
    for _ in range(samples):
        add("sampled", "plain", 0.8)
    for variant in ("plan", "bare", "steps"):
        for _ in range(2):
            add("sampled", variant, 0.8)
    for parent in [each.number for each in found if each.status == "failed"][:3]:
        for _ in range(2):
            add("repaired", "plain", 0.8, parent)
    return RecordedRun(f"p{number}", "everything", 0, "made", 100.0, 3.0, 900, (False,) * 3, True, None, tuple(found))


def made_pool(count: int = 36) -> list[RecordedRun]:
    return [made_run(number, SHARES[number % len(SHARES)]) for number in range(count)]
