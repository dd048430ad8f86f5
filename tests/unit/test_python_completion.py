"""Ending a candidate the moment its function is complete."""

import pytest

from engine.languages.python import Python

PREFIX = 'def f(x):\n    """Doc."""\n'


def complete(streamed: str, *, ended: bool = False, prefix: str = PREFIX) -> str | None:
    return Python().complete_body(prefix, streamed, ended=ended)


@pytest.mark.parametrize("after", ["\nprint(f(1))", "\n```", "\ndef g():", "\n\n\n# Usage", "\n\n@cache", "\nIn words"])
def test_something_at_column_0_ends_the_function(after):
    assert complete("    y = x\n    return y" + after) == "y = x\nreturn y"


def test_an_indented_fence_ends_it_too():
    assert complete("    return x\n    ```\n") == "return x"


@pytest.mark.parametrize(
    "streamed",
    [
        "    return x",
        "    return x\n",
        "    return x\n    ",
        "    return [\n1,",
        '    return """\ntext',
        "    return '''\nde'f",
        "    y = (1 +\n2",
        "    y = 1 + \\\n2",
    ],
)
def test_it_goes_on_while_only_the_function_could(streamed):
    assert complete(streamed) is None


def test_what_is_inside_brackets_and_strings_does_not_end_it():
    body = '    y = [\n1, "]",\n]  # (\n    z = """\ndef g():\n"""\n    return y'
    assert complete(body + "\nprint(") == body.replace("    ", "")


def test_no_prefix_of_a_stream_ends_it_early():
    streamed = '    a = {"(": \'"\'}\n\n    # a # comment (\n    if x:\n        return f"{x!r:>{a}}"\n    return a\n\n'
    assert all(complete(streamed[:n]) is None for n in range(len(streamed)))
    assert complete(streamed + "x") is not None


def test_the_models_own_end_counts():
    assert complete("    return x\n", ended=True) == "return x"


def test_a_repeated_docstring_is_dropped():
    assert complete('    """Doc."""\n    return x\n', ended=True) == "return x"


def test_the_body_comes_without_its_own_indentation():
    assert complete("  if x:\n    return 1\n  return 2\nx") == "if x:\n  return 1\nreturn 2"
