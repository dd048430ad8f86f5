"""The doctor's job: looks at everything that a run needs, in the background, and shows what it found."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
from attrs import asdict
from lsprotocol.types import MessageType

from lsp_server import reports
from lsp_server.jobs import Job

if TYPE_CHECKING:
    from lsp_server.server import GreenfinchServer


def examine(server: GreenfinchServer, root: Path, *, show: bool) -> Job:
    """Start to examine what a run in `root` would need; `show`: open the findings as a document.

    Raises:
        JobRefusedError: that is being done.
    """

    async def work(job: Job) -> None:
        folder = await server.settings.in_folder(root.as_uri())
        doctor = await anyio.to_thread.run_sync(importlib.import_module, "engine.doctor")
        job.say("looking at interpreter, tests, sandbox and model")
        findings = await doctor.examine(
            root, folder.settings, python_hint=folder.python_hint, trusted=server.settings.trusted
        )
        job.report = doctor.markdown(findings)
        bad = [finding.what for finding in findings if not finding.ok]
        job.result = {"findings": [asdict(finding) for finding in findings], "ok": not bad}
        job.finish("passed", f"Missing: {', '.join(bad)}." if bad else "Everything that a run needs is there.")
        if show:
            server.client.tell(f"Doctor: {job.message}", MessageType.Warning if bad else MessageType.Info)
            server.jobs.background(lambda: reports.show(server.client, job.label, job.report))

    return server.jobs.start("doctor", ("doctor", root), "Greenfinch: doctor", work)
