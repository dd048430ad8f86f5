"""Secrets: what tests may read they may print, and it still gets into no prompt, no record, no report, no message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from promises.workspace import BAD, MODULE, Workspace

from engine import redaction
from engine.generation.scripted import Reply, ScriptedGenerator
from engine.redaction import Redactor, redacted
from engine.reporting import page, story
from lsp_server.reports import Story

PRIVATE = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\nAAAABG5vbmUAAAAE\n-----END OPENSSH PRIVATE KEY-----"
)
# Made up, in the forms of real ones; written in pieces, so that no scanner takes this file for a leak.
TOKENS = {
    "GitHub": "ghp" + "_16C7e42F292c6912E7710c838347Ae178B4a",
    "AWS": "AKIA" + "IOSFODNN7EXAMPLE",
    "Hugging Face": "hf" + "_abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "OpenAI": "sk" + "-proj-abc123def456ghi789jkl012",
    "Slack": "xoxb" + "-123456789012-abcdefghij",
    "GitLab": "glpat" + "-abcdefghij0123456789",
    "JSON web token": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fw",
    "private key": PRIVATE,
}


@pytest.mark.parametrize("name", TOKENS)
def test_tokens_are_known_by_their_form(name: str) -> None:
    printed = redacted(f"E  AssertionError: {TOKENS[name]} is wrong")
    assert TOKENS[name] not in printed and printed.endswith("is wrong") and printed.startswith("E  AssertionError: [")


def test_tokens_are_known_in_a_repr_too() -> None:
    printed = redacted(repr("\n".join(TOKENS.values())))
    assert [token for token in TOKENS.values() if repr(token)[1:-1] in printed] == []


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize("share", [0.4, 0.7, 0.9])
def test_tokens_that_were_cut_short_are_known_too(name: str, share: float) -> None:
    cut = TOKENS[name][: int(share * len(TOKENS[name]))]
    assert cut not in redacted(f"AssertionError: ['{cut}... and more']")


@pytest.mark.timeout(20)  # where each start were tried on all that follows it would be minutes
@pytest.mark.parametrize("piece", ["sk-", "eyJ-", "ghp_a", "a ", "://a:a", "bearer ", PRIVATE[:35], PRIVATE[-33:]])
def test_no_text_holds_the_search_up(piece: str) -> None:
    text = piece * (150_000 // len(piece))
    redacted(text)
    Redactor({})({"detail": text})


def test_a_key_without_its_beginning_is_known_by_its_end() -> None:
    assert redacted(f"'...{PRIVATE[50:]}' and more") == "'...[private key]' and more"


def test_a_key_that_was_cut_short_is_none_the_less_a_key() -> None:
    assert redacted(f"before {PRIVATE[:60]}") == "before [private key]"


@pytest.mark.parametrize(
    "text",
    ["assert slugify('a b') == 'a-b'", "token == Token('ident', 3)", "password='Abcdefg1!' is strong", "sk-learn",
     "http://user:pass@host/path", "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
)  # fmt: skip
def test_what_a_model_needs_to_see_of_a_failure_stays(text: str) -> None:
    assert redacted(text) == text


def test_a_record_also_hides_what_is_called_a_secret_in_what_tests_printed() -> None:
    redact = Redactor({})
    assert redact({"detail": "E  api_key='abcdef123456', n=3"}) == {"detail": "E  api_key='[secret]', n=3"}
    assert redact({"results": [{"message": '{"password": "hunter2-hunter2"}'}]}) == {
        "results": [{"message": '{"password": "[secret]"}'}]
    }
    source = {"texts": {"/a.py": "password = 'hunter2-hunter2'"}}
    assert redact(source) == source  # the user's own text, which a replay starts from


LEAKS = """import os, pathlib
from words import slugify

HERE = pathlib.Path(__file__).parent


def home_files():
    found = []
    for name in (".netrc", ".ssh/id_ed25519", ".config/gh/hosts.yml"):
        try:
            found.append((pathlib.Path({home!r}) / name).read_text())
        except OSError as error:
            found.append(type(error).__name__)
    return found


def test_words():
    given = os.environ.get("LET_THROUGH_KEY")
    settings = (HERE / "settings.env").read_text()
    print(dict(os.environ), [given, home_files(), settings])
    assert slugify("Hello World") == "hello-world", f"{{given}} {{home_files()}} {{settings}}"
"""


class Listening(ScriptedGenerator):
    """Keeps what the model was told."""

    def __init__(self, *replies: str) -> None:
        super().__init__(tuple(Reply(text=reply) for reply in replies))
        self.told: list[str] = []

    async def sample(self, request):
        self.told += [request.prefill, *(message.content for message in request.messages)]
        async for piece in super().sample(request):
            yield piece


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("level", ["full", "partial"])
async def test_no_secret_leaves_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    from engine.verification import verifier

    opened = verifier.open_cell
    monkeypatch.setattr(verifier, "open_cell", lambda root, *_, **rest: opened(root, level, **rest))
    home = tmp_path / "home"
    for name in (".netrc", ".ssh/id_ed25519", ".config/gh/hosts.yml"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(f"home-file-of-mine {name}")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("MY_API_TOKEN", "token-of-the-environment")
    monkeypatch.setenv("LET_THROUGH_KEY", "key-that-tests-are-given")
    monkeypatch.setenv("GREENFINCH_RUNS", str(tmp_path / "runs"))
    redaction._own_environment.cache_clear()
    workspace = Workspace(tmp_path / "project")
    workspace.write("settings.env", "\n".join(TOKENS.values()))
    workspace.write("test_words.py", LEAKS.format(home=str(home)))
    generator = Listening(BAD, "    return title\n", BAD.replace("lower", "upper"))
    engine = workspace.engine(strategy="full", candidates=3, test_env=("LET_THROUGH_KEY",))
    engine._generator = generator
    report = Story("slugify")
    async with engine.implement(workspace.request()) as events:
        async for event in events:
            report.add(event)
            outcome = event
    redaction._own_environment.cache_clear()
    assert not outcome.passed and outcome.candidates > 1
    (file,) = (tmp_path / "runs").glob("*.jsonl")
    record = file.read_text()
    lines = [json.loads(line) for line in record.splitlines()]
    shown = {
        "prompts": "\n".join(generator.told),
        "record": record.encode().decode("unicode_escape"),
        "report": report.markdown(outcome) + report.summary(outcome),
        "page": page.render(story.read_story(lines)),
    }
    closed = "NotFoundError" if level == "full" else "PermissionError"
    printed = ("[access key]", "[private key]", "[LET_THROUGH_KEY]", closed)
    assert [each for each in printed if each not in shown["record"]] == [], "the tests did print what they saw"
    assert "hello-world" in shown["prompts"]
    secrets = [
        *TOKENS.values(),
        "home-file-of-mine",
        "token-of-the-environment",
        "key-that-tests-are-given",
        "b3BlbnNz",
    ]
    found = {where: [each for each in secrets if each in text] for where, text in shown.items()}
    assert found == {where: [] for where in shown}
    assert MODULE in workspace.module.read_text()
