"""Random Python documents whose one edit is known beforehand: made from pieces, with the target's place marked.

A piece is text as a person might have it: CJK, emoji, combining marks, form feeds and other separators that Python's
`splitlines` breaks at and LSP does not, decorators, nested and duplicated names, tabs, mixed line ends, a byte order
mark, no final line break.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

WORDS = (
    "größe",
    "名前",
    "имя",
    "e\u0301",
    "🎈",
    "👩\u200d💻",
    "𐐀",
    "ok",
    "x\u2028y",
    "a\x0bb",
    "n\x85l",
    "ﬁ",
    "\u202eabc",
)
NAMES = ("f", "make", "größe", "名前", "имя", "𐐀", "run")
BODIES = (
    "return None",
    "return '🎈' * 2",
    "if True:\n    return '名前'\nreturn 0",
    "for each in (1, 2):\n    while each:\n        each -= 1\nreturn each",
    'text = """first\n  second\n"""\nreturn text',
    "# e\u0301 first\nvalue = [\n    1,\n    2,\n]\nreturn value",
)
STUBS = ("pass", "...", "raise NotImplementedError", 'raise NotImplementedError("🎈")', "pass  # 名前")


@dataclass
class Case:
    """A document, a place in its target, and the document as it has to be after the edit.

    Attributes:
        text, expected: before and after.
        cursor: a code point offset inside the target.
        body: the solution's body at column 0.
    """

    text: str
    expected: str
    cursor: int
    qualname: str
    body: str
    imports: tuple[str, ...]


class Maker:
    """Makes cases; equal seeds make equal ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._ends = self._random.choice((("\n",), ("\n",), ("\r\n",), ("\n", "\r\n")))
        self._unit = self._random.choice(("    ", "    ", "  ", "\t"))

    def case(self) -> Case:
        chance = self._random
        head, imports = self._head()
        before = [part for _ in range(chance.randrange(4)) for part in self._item("")]
        after = [part for _ in range(chance.randrange(4)) for part in self._item("")]
        owners: list[str] = []
        indent = ""
        for depth in range(chance.randrange(3)):  # inside classes, or inside another function
            owner = chance.choice(NAMES) + str(depth)
            opening = f"class {owner}:" if chance.random() < 0.7 else f"def {owner}(self):"
            before += self._lines(indent + opening)
            indent += self._unit
            owners.append(owner)
            before += self._item(indent) if chance.random() < 0.5 else []
        name = f"{chance.choice(NAMES)}_target"
        opened, header, stub = self._target(indent, name)
        inner = indent + self._unit
        body = chance.choice(BODIES)
        left = "".join([*before, *opened])
        top = "".join(head)
        right = "".join(self._lines("") + after)
        if chance.random() < 0.3:  # the file ends with the target, and perhaps with no line break
            right = chance.choice(("", self._end(), self._end() * 2))
        text = top + left + header + stub + right
        newline = "\r\n" if "\r\n" in text else "\n"
        if imports:  # join the last line of the head, whose own line break follows them
            last = top.rstrip("\r\n")
            top = last + newline + newline.join(imports) + top[len(last) :]
        expected = top + left + header + newline + self._placed(body, inner, newline) + right
        qualname = ".".join([*owners, name])
        cursor = len("".join(head)) + len(left) + chance.randrange(len(header))
        return Case(text, expected, cursor, qualname, body, imports)

    def _head(self) -> tuple[list[str], tuple[str, ...]]:
        """What stands before all else, and imports that the solution needs and the document lacks."""
        chance = self._random
        head = ["\ufeff"] if chance.random() < 0.2 else []
        head += self._lines(*(f"# {self._word()}" for _ in range(chance.randrange(3))))
        if chance.random() < 0.5:
            return head, ()
        if chance.random() < 0.5:
            head += self._lines(f'"""{self._word()}."""', "")
        head += self._lines(
            *chance.choice((("import os",), ("from os import (", "    path,", ")"), ("import os", "import re")))
        )
        return head, chance.choice(((), ("import math",), ("import math", "from json import dumps")))

    def _target(self, indent: str, name: str) -> tuple[list[str], str, str]:
        """The decorators' lines; the definition up to what an edit replaces; what it replaces."""
        chance = self._random
        opened = [
            part for _ in range(chance.randrange(3)) for part in self._lines(f"{indent}@mark('{self._word()}')")
        ]  # fmt: skip
        arguments = chance.choice(
            ("x", "x, *, 名前='🎈'", "self", f"x,{self._end()}{indent}{self._unit * 2}y: 'e\u0301'")
        )
        arrow = chance.choice(("", " -> '👩\u200d💻'"))
        header = f"{indent}{chance.choice(('', 'async '))}def {name}({arguments}){arrow}:"
        inner = indent + self._unit
        if chance.random() < 0.5:
            lines = [f'{inner}"""{self._word()} {self._word()}.', f"{inner}{self._word()}", f'{inner}"""']
            docstring = self._end().join(lines) if chance.random() < 0.5 else f'{inner}"""{self._word()}."""'
            header += self._end() + docstring
        elif chance.random() < 0.2:
            header += f"  # {self._word()}"
        elif chance.random() < 0.2 and self._unit == "    ":  # or nothing might show what the file's unit is
            return opened, header, f" {chance.choice(STUBS)}"
        return opened, header, self._end() + inner + chance.choice(STUBS)

    def _placed(self, body: str, indent: str, newline: str) -> str:
        """The body as the file's own style has it; what is inside a string keeps its white space."""
        lines: list[str] = []
        in_string = False
        for line in body.split("\n"):
            steps = len(line) - len(line.lstrip(" "))
            if in_string or not line.strip():
                lines.append(line)
            elif line.endswith(",") or line == "]":  # continues a statement: keeps its place
                lines.append(indent + line)
            else:
                lines.append(indent + self._unit * (steps // 4) + line[steps:])
            in_string ^= line.count('"""') % 2 == 1
        return newline.join(lines)

    def _item(self, indent: str) -> list[str]:
        chance, inner = self._random, indent + self._unit
        kind = chance.randrange(6)
        if kind == 0:
            return self._lines(f"{indent}# {self._word()}", "")
        if kind == 1:
            return self._lines(f"{indent}{chance.choice(NAMES)} = '{self._word()}'")
        if kind == 2:
            return self._lines(f"{indent}def {chance.choice(NAMES)}():", f"{inner}return '{self._word()}'", "")
        if kind == 3:
            name = chance.choice(NAMES)
            twice = [f"{indent}def {name}(a, b):", f"{inner}{chance.choice(STUBS)}", ""]
            return self._lines(*twice, *twice)
        if kind == 4:
            return self._lines(f"{indent}class {chance.choice(NAMES)}:", f"{inner}value = '{self._word()}'", "")
        return ["\x0c", *self._lines("")] if not indent else self._lines("")

    def _lines(self, *lines: str) -> list[str]:
        return [line + self._end() for line in lines]

    def _end(self) -> str:
        return self._random.choice(self._ends)

    def _word(self) -> str:
        return self._random.choice(WORDS)
