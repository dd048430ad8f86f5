"""Makes smaller variants of a model and measures each: size, speed, perplexity, and what it solves under the search.

Everything lies in one folder, and what is there is not made or measured again: a bench that was broken off goes on.
Speed is measured in rounds in which all variants take turns, so that what else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import cattrs
from attrs import define, field, frozen

from engine.bench import raw as raw_speed
from engine.bench.pool import RecordedRun
from engine.bench.problems import Problem
from engine.bench.runner import Result, run_problems
from engine.config import Settings
from engine.errors import ModelError
from engine.models.quantise import COPY, NEEDS_MATRIX, deep_layers, quantise, source_type
from engine.models.store import ModelFile

STAGES = ("make", "speed", "perplexity", "solves")
TEXT = Path(textwrap.__file__)
"""What perplexity is measured on, unless another text is named: a module of Python's own library."""
IMPORTANCE_TEXT = Path(argparse.__file__)
"""What importance is read from: another one, or the measurement would favour what was fitted to it."""
IMPORTANCE = "+imatrix"
"""After a type: it is made with an importance matrix; those that llama.cpp refuses without always are."""
_IMPORTANCE_WINDOWS = 8
_CONTEXT, _PROMPT, _TOKENS = 1024, 128, 24
_SEED = 0

Say = Callable[[str], None]


@frozen
class Recipe:
    """How a variant is made.

    Attributes:
        kind: a type of llama.cpp's, or `COPY`; empty: the source as it is.
        pruned: layers left out. importance: made with an importance matrix.
    """

    name: str
    kind: str = ""
    pruned: tuple[int, ...] = ()
    importance: bool = False


@define
class Variant:
    """What is known of one.

    Attributes:
        tokens_per_second: decoding, by number of candidates at once (as text, for JSON); one figure a round.
        scored: which text and how much of it the perplexity is of.
        solved, true_solved: of `problems`; true_solved passes the hidden tests, too.
    """

    recipe: Recipe
    size: int = 0
    tokens_per_second: dict[str, list[float]] = field(factory=dict)
    perplexity: float | None = None
    scored_tokens: int = 0
    scored: str = ""
    results: list[Result] = field(factory=list)

    def rate(self, n: int) -> float | None:
        """Median of the rounds."""
        rounds = self.tokens_per_second.get(str(n))
        return statistics.median(rounds) if rounds else None

    @property
    def true_solved(self) -> int:
        return sum(result.true_solved is True for result in self.results)


def recipes(source: Path, kinds: Sequence[str], prunings: Sequence[int]) -> list[Recipe]:
    """The source itself first, then its quantizations, then the prunings, which leave the tensors as they are."""
    found = [Recipe(f"source ({source_type(source)})")]
    for kind in kinds:
        bare = kind.removesuffix(IMPORTANCE)
        found.append(Recipe(kind, bare, importance=kind != bare or bare in NEEDS_MATRIX))
    return found + [
        Recipe(f"{count} layer{'s' * (count > 1)} pruned", COPY, deep_layers(source, count)) for count in prunings
    ]


class Bench:
    """The variants of one model in one folder.

    Args:
        wanted: of these; what the folder knows of others is kept for another time.
        say: told in a line what goes on.

    Raises:
        ModelError: the folder is another model's.
    """

    def __init__(self, model: ModelFile, folder: Path, wanted: Sequence[Recipe], *, threads: int, say: Say) -> None:
        self.model = model
        self._folder = folder
        self._threads = threads
        self._say = say
        self._file = folder / "variants.json"
        folder.mkdir(parents=True, exist_ok=True)
        kept = {variant.recipe: variant for variant in self._kept()}
        self.variants = [kept.pop(recipe, Variant(recipe)) for recipe in wanted]
        self._others = list(kept.values())
        source = next((v for v in (*self.variants, *self._others) if not v.recipe.kind and v.size), None)
        if source is not None and source.size != model.path.stat().st_size:
            raise ModelError(
                f"{folder} holds variants of another model than {model.name}.", remedy="Name another folder."
            )

    def make(self) -> None:
        """Stage `make`."""
        for variant in self.variants:
            path = self.path(variant)
            if not path.is_file():
                self._say(f"making {variant.recipe.name}")
                recipe = variant.recipe
                importance = self._importance() if recipe.importance else None
                quantise(self.model.path, path, recipe.kind, pruned=recipe.pruned, importance=importance)
            variant.size = path.stat().st_size
        self._keep()

    def _importance(self) -> Path:
        """Of the source, read from a text of its own; found once."""
        found = self._folder / "importance.npz"
        if not found.is_file():
            self._say(f"importance of {self.model.name}'s inputs")
            partial = found.with_suffix(".partial")
            source = Variant(Recipe("source"))
            self._ask("engine.bench.importance", source, "--text", str(IMPORTANCE_TEXT), "--windows",
                      str(_IMPORTANCE_WINDOWS), "--out", str(partial))  # fmt: skip
            partial.replace(found)
        return found

    def speed(self, n: int, rounds: int) -> None:
        """Stage `speed`: decoding alone, one candidate and `n` at once, llama.cpp without a host."""
        for turn in range(rounds):
            lacking = [v for v in self.variants if len(v.tokens_per_second.get(str(n), ())) <= turn]
            for variant in lacking if turn % 2 else reversed(lacking):
                self._say(f"speed of {variant.recipe.name}, round {turn + 1} of {rounds}")
                raw = raw_speed.measure(
                    self.path(variant), context=_CONTEXT, n=n, threads=self._threads, prompt=_PROMPT, tokens=_TOKENS
                )
                for at_once, rate in ((1, raw.decode_rate), (n, raw.decode_rate_n)):
                    variant.tokens_per_second.setdefault(str(at_once), []).append(round(rate, 2))
                self._keep()

    def perplexity(self, text: Path, windows: int) -> None:
        """Stage `perplexity`."""
        scored = f"{hashlib.sha256(text.read_bytes()).hexdigest()[:16]} {windows}"
        for variant in self.variants:
            if variant.perplexity is None or variant.scored not in ("", scored):
                self._say(f"perplexity of {variant.recipe.name}")
                told = self._ask("engine.bench.perplexity", variant, "--text", str(text), "--windows", str(windows))
                variant.perplexity, variant.scored_tokens, variant.scored = told["perplexity"], told["tokens"], scored
                self._keep()

    def shown(self, problems: Sequence[Problem], strategy: str) -> list[Variant]:
        """The variants for a report: of what they have solved, only these problems under this strategy."""
        ids = {problem.id for problem in problems}
        return [
            attrs.evolve(v, results=[r for r in v.results if r.id in ids and r.strategy == strategy])
            for v in self.variants
        ]

    async def solves(self, problems: Sequence[Problem], settings: Settings) -> None:
        """Stage `solves`: the whole search on every problem, with the variant as its model."""
        wanted = {(problem.id, settings.strategy, _SEED) for problem in problems}
        for variant in self.variants:
            done = frozenset((result.id, result.strategy, result.seed) for result in variant.results)
            if wanted <= done:
                continue
            self._say(f"problems with {variant.recipe.name}")

            def report(result: Result, _: RecordedRun | None, variant: Variant = variant) -> None:
                variant.results.append(result)
                self._keep()

            with_it = attrs.evolve(settings, model=str(self.path(variant)), host_idle_minutes=0.0)
            await run_problems(problems, [settings.strategy], with_it, [_SEED], report, done=done)

    def path(self, variant: Variant) -> Path:
        if not variant.recipe.kind:
            return self.model.path
        name = variant.recipe.name.replace(" ", "-").lower()
        return self._folder / f"{self.model.path.stem}.{name}.gguf"

    def _ask(self, module: str, variant: Variant, *arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-P", "-m", module, "--model", str(self.path(variant)), *arguments]
        done = subprocess.run(  # noqa: S603 - our own modules
            [*command, "--threads", str(self._threads)], capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode:
            raise ModelError(f"{variant.recipe.name} could not be measured: {done.stderr.strip()[-300:]}")
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def _kept(self) -> Iterator[Variant]:
        if self._file.is_file():
            yield from cattrs.structure(json.loads(self._file.read_text("utf-8")), list[Variant])

    def _keep(self) -> None:
        partial = self._file.with_suffix(".partial")
        known = [attrs.asdict(variant) for variant in (*self.variants, *self._others)]
        partial.write_text(json.dumps(known, indent=1), "utf-8")
        partial.replace(self._file)


def summary(variants: Sequence[Variant]) -> Iterator[Mapping[str, Any]]:
    """One row a variant, for tables and JSON."""
    for variant in variants:
        energy = sum(result.energy_wh for result in variant.results)
        labels = sorted({result.energy_label for result in variant.results if result.energy_label})
        yield {
            "variant": variant.recipe.name,
            "layers_left_out": list(variant.recipe.pruned),
            "megabytes": round(variant.size / 1e6),
            "tokens_per_second": {n: variant.rate(int(n)) for n in variant.tokens_per_second},
            "perplexity": variant.perplexity,
            "problems": len(variant.results),
            "solved": sum(result.solved for result in variant.results),
            "true_solved": variant.true_solved,
            "seconds": round(sum(result.seconds for result in variant.results), 1),
            "energy_wh": round(energy, 4),
            "energy_label": ", ".join(labels),
            "wh_per_true_solve": round(energy / variant.true_solved, 4) if variant.true_solved else None,
        }
