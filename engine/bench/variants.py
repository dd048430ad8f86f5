"""Makes smaller variants of a model and measures each: size, speed, perplexity, and what it solves under the search.

Everything lies in one folder, and what is there is not made or measured again: a bench that was broken off goes on.
What was measured otherwise is kept, but stands for itself: speeds belong to a number of threads, true solves to a
problem and to all settings that decide them.
Speed is measured in rounds in which all variants take turns, so that what else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import statistics
import subprocess
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
from engine.bench.runner import DECISIVE, Result, run_problems
from engine.config import Settings
from engine.errors import ConfigError, ModelError
from engine.machine import children
from engine.models.quantise import COPY, NEEDS_MATRIX, deep_layers, quantise, source_type
from engine.models.store import ModelFile

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
    """What is known of one, however it was measured.

    Attributes:
        tokens_per_second: decoding, by threads, then by number of candidates at once (as texts, for JSON); one figure
            a round.
        scored: which text and how much of it the perplexity is of.
        results: by what was asked; see `Bench.shown`.
    """

    recipe: Recipe
    size: int = 0
    tokens_per_second: dict[str, dict[str, list[float]]] = field(factory=dict)
    perplexity: float | None = None
    scored_tokens: int = 0
    scored: str = ""
    results: dict[str, Result] = field(factory=dict)


@frozen
class Row:
    """What a report tells of a variant: the figures that belong together.

    Attributes:
        tokens_per_second: decoding, by number of candidates at once: medians of the rounds.
        results: one a problem, those that ended in an error included.
    """

    recipe: Recipe
    size: int
    tokens_per_second: Mapping[int, float] = field(factory=dict)
    perplexity: float | None = None
    scored_tokens: int = 0
    results: Sequence[Result] = ()

    @property
    def true_solved(self) -> int:
        """Winners that pass the hidden tests, too."""
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
        for variant in self.variants:
            variant.size = path.stat().st_size if (path := self.path(variant)).is_file() else 0

    def need_files(self) -> None:
        """Before stages that measure.

        Raises:
            ConfigError: a variant was not made yet.
        """
        lacking = [variant.recipe.name for variant in self.variants if not self.path(variant).is_file()]
        if lacking:
            raise ConfigError(
                f"{self._folder} has no file of {', '.join(lacking)} yet.", remedy="Run the stage `make` first."
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
                      str(_IMPORTANCE_WINDOWS), "--out", str(partial.absolute()))  # fmt: skip
            partial.replace(found)
        return found

    def speed(self, n: int, rounds: int) -> None:
        """Stage `speed`: decoding alone, one candidate and `n` at once, llama.cpp without a host."""
        for turn in range(rounds):
            lacking = [v for v in self.variants if len(self._speeds(v).get(str(n), ())) <= turn]
            for variant in lacking if turn % 2 else reversed(lacking):
                self._say(f"speed of {variant.recipe.name}, round {turn + 1} of {rounds}")
                raw = raw_speed.measure(
                    self.path(variant), context=_CONTEXT, n=n, threads=self._threads, prompt=_PROMPT, tokens=_TOKENS
                )
                for at_once, rate in ((1, raw.decode_rate), (n, raw.decode_rate_n)):
                    self._speeds(variant).setdefault(str(at_once), []).append(round(rate, 2))
                self._keep()

    def _speeds(self, variant: Variant) -> dict[str, list[float]]:
        """With the present number of threads."""
        return variant.tokens_per_second.setdefault(str(self._threads), {})

    def perplexity(self, text: Path, windows: int) -> None:
        """Stage `perplexity`.

        Raises:
            ConfigError: the text cannot be read, or is too short to be scored.
        """
        scored = _scored(text, windows)
        for variant in self.variants:
            if _known_perplexity(variant, scored) is None:
                self._say(f"perplexity of {variant.recipe.name}")
                told = self._ask(
                    "engine.bench.perplexity", variant, "--text", str(text.absolute()), "--windows", str(windows)
                )
                if not told["tokens"]:
                    raise _too_short(text)
                variant.perplexity, variant.scored_tokens, variant.scored = told["perplexity"], told["tokens"], scored
                self._keep()

    async def solves(self, problems: Sequence[Problem], settings: Settings) -> None:
        """Stage `solves`: the whole search on every problem, with the variant as its model and as its only one."""
        asked = {problem.id: self._asked(problem, settings) for problem in problems}
        for variant in self.variants:
            known = {key for key, result in variant.results.items() if not result.failed}
            done = frozenset((name, settings.strategy, _SEED) for name, key in asked.items() if key in known)
            if len(done) == len(asked):
                continue
            self._say(f"problems with {variant.recipe.name}")

            def report(result: Result, _: RecordedRun | None, variant: Variant = variant) -> None:
                if result.failed:
                    self._say(f"{result.id} ended in an error: {result.reason}")
                variant.results[asked[result.id]] = result
                self._keep()

            with_it = attrs.evolve(
                settings, model=str(self.path(variant)), larger_model="", endpoint="", endpoints=(),
                host_idle_minutes=0.0,
            )  # fmt: skip
            await run_problems(problems, [settings.strategy], with_it, [_SEED], report, done=done)

    def shown(self, problems: Sequence[Problem], settings: Settings, text: Path, windows: int) -> list[Row]:
        """The variants for a report: speeds with the present threads, the perplexity of this much of this text, and of
        what they have solved, only these problems with these settings."""
        asked = [self._asked(problem, settings) for problem in problems]
        scored = _scored(text, windows)
        rows = []
        for variant in self.variants:
            perplexity = _known_perplexity(variant, scored)
            rates = {int(n): statistics.median(rounds) for n, rounds in self._speeds(variant).items()}
            results = [variant.results[key] for key in asked if key in variant.results]
            scored_tokens = variant.scored_tokens if perplexity is not None else 0
            rows.append(Row(variant.recipe, variant.size, rates, perplexity, scored_tokens, results))
        return rows

    def _asked(self, problem: Problem, settings: Settings) -> str:
        """What a result answers, as a digest: the problem's files, and all settings that decide."""
        decisive = {name: getattr(settings, name) for name in ("strategy", *DECISIVE)} | {
            "threads": self._threads,
            "seed": _SEED,
        }
        return _digest(json.dumps([problem.digest, decisive], sort_keys=True).encode())

    def path(self, variant: Variant) -> Path:
        if not variant.recipe.kind:
            return self.model.path
        name = variant.recipe.name.replace(" ", "-").lower()
        return self._folder / f"{self.model.path.stem}.{name}.gguf"

    def _ask(self, module: str, variant: Variant, *arguments: str) -> dict[str, Any]:
        command = children.command(module, "--model", str(self.path(variant).absolute()), *arguments)
        done = subprocess.run(  # noqa: S603 - our own modules
            [*command, "--threads", str(self._threads)], capture_output=True, text=True, errors="replace", check=False,
            cwd=children.neutral_folder(), env=children.environment(),
        )  # fmt: skip
        if done.returncode:
            raise ModelError(f"{variant.recipe.name} could not be measured: {done.stderr.strip()[-300:]}")
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def _kept(self) -> Iterator[Variant]:
        if not self._file.is_file():
            return
        for known in json.loads(self._file.read_text("utf-8")):
            # Speeds and results without what they depend on (of an earlier version) are measured again.
            speeds, results = known.get("tokens_per_second", {}), known.get("results", {})
            known["tokens_per_second"] = {of: told for of, told in speeds.items() if isinstance(told, dict)}
            known["results"] = results if isinstance(results, dict) else {}
            yield cattrs.structure(known, Variant)

    def _keep(self) -> None:
        """Runs that ended in an error are left out: another time they are tried again."""
        known = [
            attrs.evolve(each, results={key: told for key, told in each.results.items() if not told.failed})
            for each in (*self.variants, *self._others)
        ]
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps([attrs.asdict(each) for each in known], indent=1), "utf-8")
        partial.replace(self._file)


def readable(text: Path) -> None:
    """Look at a text for the perplexity, before hours are spent on other stages.

    Raises:
        ConfigError: it cannot be read, or is too short to be scored.
    """
    from engine.bench.perplexity import WINDOW

    try:
        length = len(text.read_text("utf-8").encode())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{text} cannot be read: {error}.", remedy="Name a text in UTF-8.") from error
    if length < WINDOW:  # no token is shorter than a byte
        raise _too_short(text)


def _too_short(text: Path) -> ConfigError:
    from engine.bench.perplexity import WINDOW

    return ConfigError(
        f"{text} is too short for a perplexity: it has fewer than {WINDOW} tokens.", remedy="Name a longer text."
    )


def _scored(text: Path, windows: int) -> str:
    return f"{_digest(text.read_bytes())} {windows}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _known_perplexity(variant: Variant, scored: str) -> float | None:
    """Of this text, if it was measured and could be."""
    value = variant.perplexity
    return value if value is not None and math.isfinite(value) and variant.scored == scored else None


def summary(rows: Sequence[Row]) -> Iterator[Mapping[str, Any]]:
    """One a variant, for tables and JSON."""
    for row in rows:
        energy = sum(result.energy_wh for result in row.results)
        yield {
            "variant": row.recipe.name,
            "layers_left_out": list(row.recipe.pruned),
            "bytes": row.size,
            "megabytes": round(row.size / 1e6),
            "tokens_per_second": {str(n): rate for n, rate in row.tokens_per_second.items()},
            "perplexity": row.perplexity,
            "problems": len(row.results),
            "solved": sum(result.solved for result in row.results),
            "true_solved": row.true_solved,
            "errors": sum(result.failed for result in row.results),
            "seconds": round(sum(result.seconds for result in row.results), 1),
            "energy_wh": round(energy, 4),
            "energy_label": energy_labels([row]),
            "wh_per_true_solve": round(energy / row.true_solved, 4) if row.true_solved else None,
        }


def energy_labels(rows: Sequence[Row]) -> str:
    """How the energy of these is known; several ways where it differs."""
    return ", ".join(sorted({result.energy_label for row in rows for result in row.results if result.energy_label}))
