"""A new test for an answer that the user has given, as an edit of the test file."""

from __future__ import annotations

import ast
import re

from engine.languages.base import TextEdit

_MAIN = re.compile(r"^if\s+__name__\s*==", re.MULTILINE)


def new_test(
    text: str, framework: str, *, module: str, name: str, call: str, answer: str, raises: bool, is_async: bool = False
) -> TextEdit:
    """The edit that adds a test to a pytest or unittest file: `call` answers `answer`, or raises it.

    Args:
        text: of the test file.
        module: where the tests import the function `name` from; the test imports it anew, however the file does.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    test = _free_name(text, f"test_{name.strip('_')}_answered")
    if is_async:
        call = f"asyncio.run({call})"
    lines = [f"from {module} import {name}", ""]
    if is_async:
        lines.insert(0, "import asyncio")
    if framework == "unittest":
        lines += [f"with self.assertRaises({answer}):", f"    {call}"] if raises else [_equal(call, answer)]
        owner = _free_name(text, "".join(part.title() for part in name.split("_") if part) + "Answered")
        head = [] if re.search(r"^import unittest\b", text, re.MULTILINE) else ["import unittest", ""]
        body = [*head, "", f"class {owner}(unittest.TestCase):", f"    def {test}(self):",
                *(f"        {line}" if line else "" for line in lines)]  # fmt: skip
    else:
        if raises:
            lines.insert(0, "import pytest")
            lines += [f"with pytest.raises({answer}):", f"    {call}"]
        else:
            lines += [f"assert {call} == {answer}" if answer not in ("None", "True", "False") else
                      f"assert {call} is {answer}"]  # fmt: skip
        body = ["", f"def {test}():", *(f"    {line}" if line else "" for line in lines)]
    main = _MAIN.search(text)
    at = main.start() if main else len(text)
    before = text[:at].rstrip()
    start = len(before)
    added = newline.join(["", *body, "", *(["", ""] if main else [])]) if before else newline.join([*body[1:], ""])
    return TextEdit(start, at, (newline if before else "") + added)


def _equal(call: str, answer: str) -> str:
    if answer in ("None", "True", "False"):
        return f"self.assertIs({call}, {answer})"
    return f"self.assertEqual({call}, {answer})"


def _free_name(text: str, wanted: str) -> str:
    """The name, with a number if the file has it already."""
    try:
        taken = {getattr(node, "name", "") for node in ast.walk(ast.parse(text.removeprefix("\ufeff")))}
    except (SyntaxError, ValueError, RecursionError):
        taken = set(re.findall(r"\w+", text))
    if wanted not in taken:
        return wanted
    return next(f"{wanted}_{n}" for n in range(2, len(taken) + 3) if f"{wanted}_{n}" not in taken)
