"""`greenfinch doctor`: what was found on this machine, and what to do about what was not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio
import click
from attrs import asdict

from engine.cli.main import FAILED, PASSED
from engine.cli.places import workspace_root
from engine.doctor import Finding, examine

__all__ = ["Finding", "doctor", "examine"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The workspace's folder.")
def doctor(as_json: bool, root: Path | None) -> None:
    """Say what Greenfinch found: interpreter, test framework, model, sandbox, versions; each with its remedy."""
    findings = anyio.run(examine, (root or workspace_root(Path.cwd() / "x")).resolve())
    if as_json:
        click.echo(json.dumps({"findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            mark = "MISS" if not finding.ok else "note" if finding.remedy else "ok  "
            click.echo(f"{mark} {finding.what}: {finding.found}")
            if finding.remedy:
                click.echo(f"       -> {finding.remedy}")
    sys.exit(PASSED if all(finding.ok for finding in findings) else FAILED)
