"""From a chosen action to a verified edit in the editor, with a scripted generator in the model's place."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lsp.editor import Editor, capabilities, editor
from lsp.projects import GOOD, STUB, TESTS
from lsprotocol import types

pytestmark = pytest.mark.anyio

GENERATE = "Generate & verify implementation"
PUT = "    self.items.append(item)\n"
COUNT = "    return len(self.items)\n"


def passes_tests(project: Path, texts: dict[str, str], *arguments: str) -> bool:
    """Whether the user's own test run passes on the project with these texts."""
    copy = project.parent / "copy"
    shutil.copytree(project, copy)
    for name, text in texts.items():
        (copy / name).write_bytes(text.encode())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=copy, capture_output=True).returncode == 0


async def implement(window: Editor, uri: str, marker: str, title: str = GENERATE) -> dict[str, str]:
    answer = await window.choose(await window.action(uri, marker, title))
    return await window.ended(answer["job"])


@pytest.mark.slow
async def test_a_stub_in_an_unsaved_buffer_is_implemented(project: Path, script) -> None:
    on_disk = "# nothing is saved yet\n"
    (project / "words.py").write_text(on_disk)
    (project / "test_words.py").write_text("# nor here\n")
    async with editor(project, environment=script(GOOD)) as window:
        uri = window.open("words.py", STUB)
        window.open("test_words.py", TESTS)
        job = await implement(window, uri, "def slugify")
        assert job["state"] == "passed"
        assert window.texts[uri] == STUB.replace("    ...\n", GOOD)
        assert (project / "words.py").read_text() == on_disk
        texts = {"words.py": window.texts[uri], "test_words.py": TESTS}
        assert passes_tests(project, texts, "-k", "slugify or done")


async def test_the_edit_is_versioned_and_its_label_is_the_proof(project: Path, script) -> None:
    async with editor(project, environment=script(GOOD)) as window:
        uri = window.open("words.py")
        window.type(uri, "def done", "def  done")
        await implement(window, uri, "def slugify")
        (params,) = window.edits
        (change,) = params.edit.document_changes
        assert change.text_document.version == 2
        assert re.fullmatch(r"slugify: 2/2 tests pass \(candidate 1 of \d+, .* s, .*Wh.*\)", params.label)
        annotation = params.edit.change_annotations[change.edits[0].annotation_id]
        assert annotation.description == params.label
        assert params.label in window.messages


@pytest.mark.slow
async def test_progress_is_begun_reported_and_ended(project: Path, script) -> None:
    async with editor(project, environment=script({"text": GOOD, "delay_per_token": 0.3})) as window:
        uri = window.open("words.py")
        await implement(window, uri, "def slugify")
        await window.until(lambda: isinstance(window.progress[-1], types.WorkDoneProgressEnd))
        begin, *reports, end = window.progress
        assert begin.cancellable and begin.title == "Greenfinch: slugify"
        assert any(re.fullmatch(r"\d+/64 tried.*tok/s", report.message) for report in reports)
        assert end.message == window.edits[0].label


@pytest.mark.slow
async def test_all_stubs_of_a_class_are_one_edit(project: Path, script) -> None:
    environment = script(PUT, COUNT)
    async with editor(project, environment=environment, options={"strategy": "greedy"}) as window:
        uri = window.open("words.py")
        job = await implement(window, uri, "class Box", "Implement all stubs in this class")
        assert job["state"] == "passed", job
        assert len(window.edits) == 1
        expected = STUB.replace("        raise NotImplementedError\n", f"    {PUT}", 1)
        assert window.texts[uri] == expected.replace("        raise NotImplementedError\n", f"    {COUNT}", 1)


@pytest.mark.slow
async def test_stubs_of_a_class_that_no_test_reaches_are_named(project: Path, script) -> None:
    unheard = "    def unheard(self):\n        raise NotImplementedError\n"
    (project / "words.py").write_text(STUB.replace("\n\ndef done", f"\n{unheard}\n\ndef done"))
    async with editor(project, environment=script(PUT, COUNT), options={"strategy": "greedy"}) as window:
        uri = window.open("words.py")
        job = await implement(window, uri, "class Box", "Implement all stubs in this class")
        assert job["state"] == "passed" and unheard in window.texts[uri]
        assert "  Left as stubs, since no test reaches them: Box.unheard." in job["message"]
        assert job["message"] in window.messages


@pytest.mark.slow
async def test_an_import_that_the_body_needs_comes_with_it(project: Path, script) -> None:
    body = '    return re.sub(r"\\W+", "-", title.lower()).strip("-")\n'
    async with editor(project, environment=script(body)) as window:
        uri = window.open("words.py")
        assert (await implement(window, uri, "def slugify"))["state"] == "passed"
        assert re.search(r"^import re$", window.texts[uri], re.MULTILINE)
        assert passes_tests(project, {"words.py": window.texts[uri]}, "-k", "slugify")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.slow
async def test_edits_land_behind_emoji_and_cjk_in_every_encoding(project: Path, script, encoding: str) -> None:
    odd = STUB.replace('"""Words."""', '"""🐦 漢字."""; A = "🐦"\n\x0c').replace(
        "(title):", '(title, mark="🐦漢"): # 🐦'
    )
    odd = odd.replace('hyphens."""\n    ...', 'hyphens: 🐦."""; ...')
    async with editor(
        project, capabilities(general__position_encodings=[encoding]), environment=script(GOOD)
    ) as window:
        uri = window.open("words.py", odd)
        assert (await implement(window, uri, "title, mark"))["state"] == "passed"
        assert window.texts[uri].count("🐦") == odd.count("🐦")
        assert passes_tests(project, {"words.py": window.texts[uri]}, "-k", "slugify or done")


@pytest.mark.slow
async def test_a_document_with_crlf_keeps_its_line_ends(project: Path, script) -> None:
    async with editor(project, environment=script(GOOD)) as window:
        uri = window.open("words.py", STUB.replace("\n", "\r\n"))
        assert (await implement(window, uri, "def slugify"))["state"] == "passed"
        assert window.texts[uri] == STUB.replace("    ...\n", GOOD).replace("\n", "\r\n")


@pytest.mark.slow
async def test_a_client_with_plain_edits_only_gets_those(project: Path, script) -> None:
    plain = capabilities(workspace__workspace_edit=None)
    async with editor(project, plain, environment=script(GOOD)) as window:
        uri = window.open("words.py")
        assert (await implement(window, uri, "def slugify"))["state"] == "passed"
        assert window.edits[0].edit.document_changes is None and uri in window.edits[0].edit.changes


@pytest.mark.slow
async def test_a_client_that_leaves_the_flag_out_but_takes_resource_operations_gets_versions(
    project: Path, script
) -> None:
    like_neovim = types.WorkspaceEditClientCapabilities(resource_operations=[types.ResourceOperationKind.Create])
    client = capabilities(workspace__workspace_edit=like_neovim)
    async with editor(project, client, environment=script(GOOD)) as window:
        uri = window.open("words.py")
        assert (await implement(window, uri, "def slugify"))["state"] == "passed"
        assert window.edits[0].edit.document_changes is not None
        assert window.edits[0].edit.change_annotations is None


@pytest.mark.slow
async def test_a_client_without_any_capability_is_told_the_result(project: Path, script) -> None:
    async with editor(project, types.ClientCapabilities(), environment=script(GOOD)) as window:
        uri = window.open("words.py")
        answer = await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"})
        job = await window.ended(answer["job"])
        assert job["state"] == "not applied" and "does not let servers edit" in job["message"]
        report = await window.run("greenfinch.showReport", {"job": answer["job"]})
        assert "+" + GOOD.rstrip() in report["report"]
        assert not window.edits and not window.progress


@pytest.mark.slow
async def test_the_command_takes_a_position_as_well(project: Path, script) -> None:
    async with editor(project, environment=script(GOOD)) as window:
        uri = window.open("words.py")
        position = window.position(uri, "...")
        place = {"uri": uri, "position": {"line": position.line, "character": position.character}}
        old = await window.run("greenfinch.implement", {**place, "version": 0})
        assert old["job"] is None and "has changed" in old["reason"]
        answer = await window.run("greenfinch.implement", {**place, "version": 1})
        assert (await window.ended(answer["job"]))["state"] == "passed"


@pytest.mark.slow
async def test_a_file_outside_any_workspace_folder_is_implemented(project: Path, script) -> None:
    async with editor(project, environment=script(GOOD), folders=False) as window:
        uri = window.open("words.py")
        assert (await implement(window, uri, "def slugify"))["state"] == "passed"


async def test_a_second_job_on_the_same_target_is_refused(project: Path, script) -> None:
    async with editor(
        project, environment=script({"text": "    x = 1\n", "repeat": True, "delay_per_token": 0.05})
    ) as window:
        uri = window.open("words.py")
        place = {"uri": uri, "qualname": "slugify"}
        first = await window.run("greenfinch.implement", place)
        second = await window.run("greenfinch.implement", place)
        assert first["job"] and second["job"] is None
        assert "already busy with slugify" in second["reason"] and second["reason"] in window.messages


@pytest.mark.parametrize("pythonpath", [False, True])
@pytest.mark.slow
async def test_a_workspace_with_packages_of_our_names_does_not_replace_ours(
    project: Path, script, pythonpath: bool
) -> None:
    for name in ("engine", "lsp_server"):
        package = project / name
        package.mkdir()
        (package / "__init__.py").write_text("raise SystemExit('the wrong package')\n")
    environment = script(GOOD) | ({"PYTHONPATH": str(project)} if pythonpath else {})
    async with editor(project, environment=environment) as window:
        uri = window.open("words.py")
        job = await implement(window, uri, "def slugify")
        assert job["state"] == "passed", job
