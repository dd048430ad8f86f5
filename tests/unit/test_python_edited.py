"""Python text that is being edited: what is read of it does not depend on what was read before."""

import random

import pytest

from engine.languages.python import source
from engine.languages.python.trees import Source

PIECES = ("def f(", "class A", "é", "\n", "    ", "🎈", ":", "@x\n", "\ud800", " def g(): ...", '"""', ")", "#", "\r\n")
TEXT = '''"""Things."""
import functools


@functools.cache
def first(n):
    """Doc."""
    def inner(é): return "🎈"
    raise NotImplementedError  # later


class Box:
    @property
    def size(self) -> int: ...

    @size.setter
    def size(self, value): "a docstring"; pass

    async def fill(self, *things):
        return [thing for thing in things
                if thing]


def last():
    pass
'''


def afresh(text):
    source._functions.clear()
    source.parse.cache_clear()
    return source.parse(text)


@pytest.mark.parametrize("seed", range(40))
def test_after_any_edits_the_same_is_found_as_in_a_new_text(seed):
    chance = random.Random(seed)
    text, texts = TEXT, []
    for _ in range(5):
        at = chance.randrange(len(text) + 1)
        end = min(len(text), at + chance.choice((0, 1, 1, 3, 20)))
        text = text[:at] + chance.choice(("", *PIECES)) + text[end:]
        texts.append(text)
    afresh(TEXT)
    assert [source.parse(text) for text in texts] == [afresh(text) for text in texts]


def test_equal_functions_in_several_places_keep_their_own_names_and_places():
    method = "    def run(self):\n        pass\n"
    text = f"class A:\n{method}\n\nclass B:\n{method}\n\nclass A:\n{method}"
    functions = afresh(text).functions
    assert [f.qualname for f in functions] == ["A.run", "B.run", "A.run[2]"]
    assert all(text[f.start :].startswith("def run") and text[f.end - 4 : f.end] == "pass" for f in functions)
    assert len({f.start for f in functions}) == 3


def test_an_edit_has_only_the_function_read_anew_that_it_is_in(monkeypatch):
    read = []
    original = source._function
    monkeypatch.setattr(source, "_function", lambda node, *rest: read.append(node) or original(node, *rest))
    text = "\n\n".join(f'def step_{n}(value):\n    """Step {n}."""\n    return value + {n}\n' for n in range(50))
    afresh(text)
    assert len(read) == 50
    read.clear()
    edited = text.replace("value + 7\n", "value * 7\n")
    assert [f.qualname for f in source.parse(edited).functions] == [f"step_{n}" for n in range(50)]
    assert len(read) == 1


@pytest.mark.parametrize("seed", range(10))
def test_byte_offsets_lead_back_to_code_points(seed):
    chance = random.Random(seed)
    text = "".join(chance.choice("ab\né名🎈\ud800") for _ in range(chance.randrange(1200)))
    found = Source(text)
    byte = 0
    for offset, char in enumerate(text):
        assert found.offset(byte) == offset
        width = len(char.encode("utf-8", "surrogatepass"))
        assert all(found.offset(byte + inside) == offset + 1 for inside in range(1, width))
        byte += width
    assert found.offset(byte) == len(text)
