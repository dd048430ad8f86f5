"""`greenfinch models fit`: what this machine can run, and how fast."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from engine.config import Settings
from engine.errors import ConfigError, ModelError
from engine.models import catalogue, store
from engine.models.fit import PROMPT_TOKENS, Plan, plan, plans, resident_bytes
from engine.models.shape import KV_BITS, Shape

if TYPE_CHECKING:
    from engine.machine.hardware import Hardware

_OTHER_KINDS = ("Q8_0", "Q3_K_M")
_GIGABYTE = 1e9
_TOKENS = 32


@click.command()
@click.option("--context", type=click.IntRange(min=512), help="Tokens of context; by default as set.")
@click.option("--n", "sequences", type=click.IntRange(1, 32), default=8, show_default=True,
              help="Candidates decoded at once.")  # fmt: skip
@click.option("--kv", type=click.Choice(tuple(KV_BITS)), default="f16", show_default=True,
              help="Type of the KV cache to plan for; the host's own is f16.")  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Other quantizations of each model, too, of estimated size.")
@click.option("--measure", is_flag=True, help="Load each installed model and show how far the prediction is off.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Of the measurement.")
@click.option("--machine", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Plan for the machine that a file describes, as `--json` prints this one's.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object: the machine, the plans, the measurements.")
def fit(
    context: int | None, sequences: int, kv: str, every: bool, measure: bool, rounds: int, machine: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Say which models fit this machine, and how fast they would be.  Takes two seconds of all cores."""
    from engine.machine import hardware

    if measure and machine is not None:
        raise click.UsageError("--measure is of this machine; --machine describes another.")
    settings = Settings.load()
    tokens = context or settings.context_tokens
    if machine is not None:
        try:
            found = hardware.load(machine.read_text("utf-8"))
        except ValueError as error:
            raise ConfigError(f"{machine}: {error}", remedy="`models fit --json` prints one, as `machine`.") from error
    else:
        found = hardware.read()
        hardware.keep(found)
    entries = catalogue.load().models
    here = frozenset(entry.name for entry in entries if machine is None and store.installed(entry))
    kinds = _OTHER_KINDS if every else ()
    rows = list(plans(entries, found, kinds=kinds, context=tokens, sequences=sequences, kv=kv, installed=here))
    if not as_json:
        for line in (*describe(found), "", *table(rows)):
            click.echo(line)
    measured: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    if measure:
        measured = list(_measured(rows, found, settings, rounds, left_out))
    if as_json:
        told = {"machine": found.as_json(), "plans": [attrs.asdict(row) | {"device": row.device} for row in rows]}
        click.echo(json.dumps(told | {"measured": measured, "not_measured": left_out}))
    elif measured:
        click.echo("")
        for line in _errors(measured):
            click.echo(line)


def describe(found: Hardware) -> Iterator[str]:
    """The machine in a few lines."""
    speed = f"weights at {found.bandwidth / 1e9:.1f} GB/s, {found.flops / 1e9:.0f} GFLOPS" if found.flops else ""
    if found.batch_flops:
        speed += f" ({found.batch_flops / 1e9:.0f} on prompts)"
    vectors = " ".join(v for v in found.vectors if v.startswith(("AVX", "NEON", "SVE", "AMX", "FMA"))) or "no vectors"
    cores = f"{found.cores} core{'s' * (found.cores > 1)}"
    yield f"{found.cpu}, {cores} ({vectors}){': ' + speed if speed else ''}"
    yield f"memory: {found.ram_free / _GIGABYTE:.1f} of {found.ram / _GIGABYTE:.1f} GB to be had"
    for gpu in found.gpus:
        parts = [
            f"{gpu.free / _GIGABYTE:.1f} of {gpu.total / _GIGABYTE:.1f} GB free" if gpu.total else "memory unknown"
        ]
        parts += [f"{gpu.bandwidth / 1e9:.0f} GB/s"] if gpu.bandwidth else []
        parts += ["shared with the CPU"] if gpu.shared else []
        usable = "" if found.gpu_build else "; the installed llama.cpp cannot use it, see `greenfinch doctor`"
        yield f"GPU: {gpu.name} ({', '.join(parts)}){usable}"
    if not found.gpus:
        yield "GPU: none found"


def table(rows: Sequence[Plan]) -> Iterator[str]:
    """The plans as lines; all figures in them are estimates."""
    if not rows:
        return
    first = rows[0]
    yield (
        f"estimated, with a context of {first.context} tokens ({first.kv}) and {first.sequences} candidates at once; "
        f"an edit: {PROMPT_TOKENS} tokens of prompt, the first candidate passes"
    )
    yield (
        f"{'model':20} {'type':7} {'fits':4} {'runs on':8} {'layers':>7} {'RAM':>8} {'GPU':>8} "
        f"{'prompt':>8} {'decode':>7} {'x' + str(first.sequences):>7} {'edit':>7}"
    )
    for row in rows:
        layers = f"{row.gpu_layers}/{row.layers}" if row.gpu_layers else "-"
        gpu = f"{row.gpu_memory / _GIGABYTE:.1f} GB" if row.gpu_memory else "-"
        rates = [f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s" if rate else "?" for rate in (
            row.prompt_rate, row.decode_rate, row.decode_rate_n)]  # fmt: skip
        edit = f"{row.seconds:.0f} s" if row.seconds else "?"
        yield (
            f"{row.model:20} {row.kind:7} {'yes' if row.fits else 'no':4} {row.device:8} {layers:>7} "
            f"{row.ram / _GIGABYTE:>5.1f} GB {gpu:>8} {rates[0]:>8} {rates[1]:>7} {rates[2]:>7} {edit:>7}"
        )


def _measured(
    rows: Sequence[Plan], found: Hardware, settings: Settings, rounds: int, left_out: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """Of each installed model that fits: what was predicted from its file's head, what was measured, and the error.

    Args:
        left_out: gets the others, and why; they are told on stderr, too.
    """
    for row in rows:
        if not row.present:
            continue
        try:
            yield from _measured_one(row, found, settings, rounds)
        except (ModelError, OSError) as error:
            left_out[row.model] = error.what if isinstance(error, ModelError) else str(error)
            click.echo(f"{row.model} is left out: {left_out[row.model]}", err=True)


def _measured_one(row: Plan, found: Hardware, settings: Settings, rounds: int) -> list[dict[str, Any]]:
    """Raises: ModelError, OSError: it does not fit, or could not be measured."""
    from engine.bench.raw import measure
    from engine.machine.cpus import usable_cores
    from engine.machine.gguf import read_header

    path = store.find(row.model).path
    shape = Shape.of_header(read_header(path))
    # Cells of a context are shared by a prompt and what candidates add to it.
    sequences = min(row.sequences, (row.context - PROMPT_TOKENS) // _TOKENS)
    if sequences < 1:
        raise ModelError(f"A context of {row.context} tokens is too short for the measurement.")
    # As the host would load it, whatever cache was planned for.
    exact = plan(row.model, shape, found, context=row.context, sequences=sequences, kv="f16", present=True)
    if not (row.fits and exact.fits):
        raise ModelError(
            f"It does not fit: {exact.ram / _GIGABYTE:.1f} GB of memory, {found.ram_free / _GIGABYTE:.1f} GB to be had."
        )
    click.echo(f"measuring {row.model} ...", err=True)
    threads = settings.threads or usable_cores()
    raws = [
        measure(path, context=row.context, n=sequences, threads=threads, prompt=PROMPT_TOKENS, tokens=_TOKENS)
        for _ in range(rounds)
    ]
    resident = resident_bytes(shape, row.context, sequences) / 1e6
    pairs = {
        "prompt tokens/s": (exact.prompt_rate, statistics.median(raw.prompt_rate for raw in raws)),
        "decode tokens/s": (exact.decode_rate, statistics.median(raw.decode_rate for raw in raws)),
        f"decode tokens/s, {sequences} at once": (
            exact.decode_rate_n, statistics.median(raw.decode_rate_n for raw in raws)
        ),
        "peak resident MB": (resident, statistics.median(raw.resident for raw in raws) / 1e6),
    }  # fmt: skip
    return [
        {
            "model": row.model, "what": what, "predicted": round(predicted, 1), "measured": round(real, 1),
            "error": round(predicted / real - 1, 3) if real else None,
        }
        for what, (predicted, real) in pairs.items()
    ]  # fmt: skip


def _errors(measured: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield f"{'model':20} {'':32} {'predicted':>10} {'measured':>10} {'error':>7}"
    for row in measured:
        error = "?" if row["error"] is None else f"{row['error']:+.0%}"
        yield f"{row['model']:20} {row['what']:32} {row['predicted']:>10.1f} {row['measured']:>10.1f} {error:>7}"
