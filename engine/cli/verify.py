"""`greenfinch verify`: judge a given text by the user's tests."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio
import click

from engine.cli.main import FAILED, PASSED, errors_as_json
from engine.cli.places import parse_target, workspace_root
from engine.config import Settings
from engine.judgement import Judgement, Replace, judge_text
from engine.request import ImplementRequest
from engine.workspace import read_text


@click.command()
@click.argument("target", metavar="PATH[:NAME]")
@click.option("--candidate", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="File with the text to judge.")  # fmt: skip
@click.option("--replace", type=click.Choice(["target", "module"]), default="target", show_default=True,
              help="Whether it stands for the target's definition or for the whole module.")  # fmt: skip
@click.option("--python", metavar="PATH", help="Python that runs the tests.")
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The workspace's folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(
    target: str, candidate: Path, replace: Replace, python: str | None, root: Path | None, as_json: bool
) -> None:
    """Judge the text in a file as the implementation of PATH:NAME, confined, without touching the tree.

    Of the file, only the target's definition and the imports at the top level are taken; helper functions and other
    definitions are not.  With --replace module the file stands for the whole module.

    Exit status: 0 it passes, 1 it does not, 2 it could not be judged.
    """
    with errors_as_json(as_json):
        settings = Settings.load().updated({"python": python}, source="command line")
        path, qualname = parse_target(target)
        request = ImplementRequest(workspace_root(path, root), path, qualname)
        judgement = anyio.run(judge_text, settings, request, read_text(candidate), replace)
    if as_json:
        print(json.dumps(_plain(judgement)))
    else:
        for test in judgement.tests:
            print(f"{test.outcome:8} {test.id}{f'  {test.message}' if test.message else ''}")
        told = "accepted" if judgement.accepted else f"not accepted: {judgement.reason}"
        print(f"{told} (decided by: {_HOW[judgement.decided_by]}; {judgement.sandbox_level} sandbox)")
        for warning in judgement.warnings:
            print(warning)
        if judgement.overfit_suspect:
            print(f"overfit suspect: {judgement.overfit_suspect}")
        for flag in judgement.flags:
            print(f"unusual: {flag}")
        if judgement.undecided:
            print(f"decided by the tests alone: {', '.join(judgement.undecided)}")
    sys.exit(PASSED if judgement.accepted else FAILED)


_HOW = {
    "gate": "the gate, before any test",
    "tests": "your tests",
    "split": "your tests, calling it in another process",
    "twin": "your tests, and their twins with other expectations",
    "trusting your command": "the report of your command, which is trusted",
}


def _plain(judgement: Judgement) -> dict[str, object]:
    return {
        "accepted": judgement.accepted,
        "reason": judgement.reason,
        "tests": [{"id": t.id, "outcome": str(t.outcome), "seconds": round(t.seconds, 4)} for t in judgement.tests],
        "sandbox_level": judgement.sandbox_level,
        "decided_by": judgement.decided_by,
        "overfit_suspect": judgement.overfit_suspect,
        "flags": list(judgement.flags),
        "undecided": list(judgement.undecided),
        "warnings": list(judgement.warnings),
    }
