"""What was evaluated once is not evaluated again: a second run on the same file starts warm."""

from __future__ import annotations

from pathlib import Path

import pytest
from host_process import HostProcess

from engine.languages.python import Python
from engine.prompting import build_prompt

PYTHON = Python()

pytestmark = [pytest.mark.model, pytest.mark.slow]

FILE = '''"""Texts and what is done to them."""


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return text.lower().split()


def slugify(text: str) -> str:
    """Words joined by dashes."""
    raise NotImplementedError
'''
TESTS = """from texts import slugify


def test_slug() -> None:
    assert slugify("Hello World") == "hello-world"
"""
TAIL = 50  # tokens at most of what follows the tests: the end of the turn, and the reply's beginning


def evaluated(host: HostProcess, file: str, tests: str) -> tuple[int, int]:
    """Tokens of the prompt for `slugify`, and how many of them the host evaluated, as it reports both."""
    target = PYTHON.target_named(Path("texts.py"), file, "slugify")
    prompt = build_prompt(PYTHON, file, target, [tests], ["test_texts.py::test_slug"])
    messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
    messages.append({"role": "assistant", "content": prompt.prefill({}, "slugify")})
    before = (host.health() or {})["tokens_evaluated"]
    reply = host.client.post("/v1/chat/completions", json={"messages": messages, "max_tokens": 8, "temperature": 0})
    usage = reply.json()["usage"]
    new = usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"]
    assert (host.health() or {})["tokens_evaluated"] - before == new
    return usage["prompt_tokens"], new


def test_a_second_run_on_the_same_file_evaluates_only_what_changed(host: HostProcess) -> None:
    length, first = evaluated(host, FILE, TESTS)
    assert first > length / 2, "nothing but the template was known"
    assert evaluated(host, FILE, TESTS) == (length, 1), "the last token is evaluated for its logits"

    grown, new = evaluated(host, FILE, TESTS + '    assert slugify("A  B") == "a-b"\n')
    assert grown - length <= new < grown - length + TAIL

    _, again = evaluated(host, FILE.replace("Texts and what", "Text, and what"), TESTS)
    assert again > length / 2, "what comes after a change is another prompt"
    assert evaluated(host, FILE, TESTS)[1] == 1, "and the old one is still known"


def test_a_prompt_is_read_ahead_and_nothing_is_sampled(host: HostProcess) -> None:
    question = "Name the planets, " + ", ".join(f"number {n}" for n in range(12)) + "."
    answer = host.ask(question, max_tokens=0)
    choice, usage = answer["choices"][0], answer["usage"]
    assert (choice["message"]["content"], choice["finish_reason"], usage["completion_tokens"]) == ("", "length", 0)
    after = host.ask(question, max_tokens=1)["usage"]
    assert after["prompt_tokens_details"]["cached_tokens"] == after["prompt_tokens"] - 1 == usage["prompt_tokens"] - 1


def test_a_prompt_that_is_not_in_use_takes_no_cells_and_comes_back_as_it_was(host: HostProcess) -> None:
    first, second = (f"Write a haiku about {topic}, and nothing else. " * 12 for topic in ("rain", "coal"))
    answers, cells = [], []
    for question in (first, second, first):
        answer = host.ask(question, temperature=0, max_tokens=12)
        answers.append(answer["choices"][0]["message"]["content"])
        cells.append((host.health() or {})["cells_used"])
    assert answers[0] == answers[2] != answers[1]
    usage = answer["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == usage["prompt_tokens"] - 1
    assert cells[0] == cells[2] == usage["prompt_tokens"], "the one in use last is there, and no other"
