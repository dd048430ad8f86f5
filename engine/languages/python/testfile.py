"""A test file as its twin is made from it: where things stand, what names stand for, and the changes decided on."""

from __future__ import annotations

import ast
import contextlib
import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from attrs import frozen

from engine.languages.python.altering import far, other, source
from engine.languages.python.folding import NotConstant, fold
from engine.languages.python.syntax import tree_of

Definition = ast.FunctionDef | ast.AsyncFunctionDef
Edit = tuple[int, int, str]  # byte offsets, and what stands between them instead

_IMMUTABLE = (str, bytes, int, float, complex, bool, type(None))
_ASSERTS_EQUAL = re.compile(
    r"assert(?:Equals?|(?:List|Dict|Tuple|Set|Sequence|MultiLine|Count|AlmostEqual|Almost)Equal|Items?Equal|Is)$"
)

_ABSOLUTE = re.compile(r"\b(?:abs|abs_tol|atol|delta|places|decimal|significant)\b")

_UNORDERED = re.compile(r"CountEqual|ItemsEqual|[Uu]nordered|ignore_order|any_order|isdisjoint|permut")

_ELSEWHERE = 0.3  # of the expectations become such as other functions have


@frozen
class Change:
    """One way to make an assertion fail.  Lower ranks find more: 0 an expected constant is another, 1 another thing is
    compared with, 2 another exception is expected, 3 the assertion is turned around.
    """

    rank: int
    edits: tuple[Edit, ...]


class TestFile:
    """The text, its tree, and its names."""

    __test__ = False

    def __init__(self, text: str, seed: int, known: Sequence[tuple[int, Any]] = ()) -> None:
        """`known`: values to choose expectations from, see `changed`.

        Raises: SyntaxError and the like, if it does not parse.
        """
        self._known = known
        self.changed: list[tuple[int, Any]] = []  # values that others were found for, each with its function's line
        self.mark = "\ufeff" if text.startswith("\ufeff") else ""
        text = text.removeprefix("\ufeff")
        self.tree = tree_of(text)
        self.chance = random.Random(seed)  # noqa: S311 - to be repeatable, not secret
        self._data = text.encode("utf-8", "surrogatepass")
        self._lines = [0, *(found.end() for found in re.finditer(rb"\r\n|\r|\n", self._data))]
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}
        self._loads: dict[tuple[ast.AST, str], list[ast.Name]] = {}
        self._is_absolute = _ABSOLUTE.search(text) is not None
        self._is_ordered = _UNORDERED.search(text) is None

    # Places.

    def start(self, node: ast.AST) -> int:
        place: tuple[int, int] = node.lineno, node.col_offset  # type: ignore[attr-defined]  # never a bare AST
        return self._lines[place[0] - 1] + place[1]

    def end(self, node: ast.AST) -> int:
        place: tuple[int, int] = node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]
        return self._lines[place[0] - 1] + place[1]

    def written(self, node: ast.AST) -> str:
        return self._data[self.start(node) : self.end(node)].decode("utf-8", "surrogatepass")

    def between(self, start: int, end: int) -> str:
        return self._data[start:end].decode("utf-8", "surrogatepass")

    def replace(self, node: ast.AST, new: str) -> Edit:
        return self.start(node), self.end(node), new

    def before(self, node: ast.stmt, statement: str) -> Edit:
        """An edit that puts a simple statement before another one."""
        start = self.start(node)
        space = self._data[self._lines[node.lineno - 1] : start].decode()
        between = f"\n{space}" if not space.strip() else "; "
        return start, start, f"{statement}{between}"

    def behind(self, node: ast.stmt, statement: str) -> Edit:
        """An edit that puts a simple statement behind one that is the last of its block."""
        first = self._lines[node.lineno - 1]
        space = self._data[first : self.start(node)].decode()
        end = self.end(node)
        if space.strip():
            return end, end, f"; {statement}"
        line_end = re.compile(rb"[^\r\n]*").match(self._data, end)
        end = line_end.end() if line_end else end
        return end, end, f"\n{space}{statement}"

    def edited(self, edits: Sequence[Edit]) -> str:
        """The text after the edits.  Of edits inside another the outer one counts."""
        pieces: list[bytes] = []
        position = 0
        for start, end, new in self._outer(edits):
            pieces += (self._data[position:start], new.encode("utf-8", "surrogatepass"))
            position = end
        return self.mark + b"".join([*pieces, self._data[position:]]).decode("utf-8", "surrogatepass")

    def lines_after(self, edits: Sequence[Edit]) -> Callable[[int], int]:
        """From byte offsets of the text to lines of the text after the edits."""
        kept = self._outer(edits)
        ends = [end for _, end, _ in kept]
        more = (new.count("\n") - self._data.count(b"\n", start, end) for start, end, new in kept)
        moved = [0, *accumulate(more)]
        breaks = [found.start() for found in re.finditer(rb"\n", self._data)]

        def line_of(offset: int) -> int:
            return bisect_left(breaks, offset) + 1 + moved[bisect_right(ends, offset)]

        return line_of

    def applied_of(self, edits: Sequence[Edit]) -> Callable[[Sequence[Edit]], bool]:
        """Whether none of some of the edits is lost inside another one."""
        places = {(start, end) for start, end, _ in self._outer(edits)}
        return lambda some: all((start, end) in places for start, end, _ in some)

    @staticmethod
    def _outer(edits: Sequence[Edit]) -> list[Edit]:
        """The edits in their order, without those inside others."""
        kept: list[Edit] = []
        position = 0
        for edit in sorted(set(edits), key=lambda edit: (edit[0], -edit[1])):
            if edit[0] >= position:
                kept.append(edit)
                position = edit[1]
        return kept

    # Names.

    def scope(self, node: ast.AST) -> ast.AST:
        """The function around a node, or the module."""
        parent = self.parents.get(node)
        while parent is not None and not isinstance(parent, Definition | ast.Module):
            parent = self.parents.get(parent)
        return parent or self.tree

    def stores(self, scope: ast.AST, name: str) -> list[ast.Name]:
        return [each for each in self._names(scope, name) if not isinstance(each.ctx, ast.Load)]

    def loads(self, scope: ast.AST, name: str) -> list[ast.Name]:
        return [each for each in self._names(scope, name) if isinstance(each.ctx, ast.Load)]

    def _names(self, scope: ast.AST, name: str) -> list[ast.Name]:
        key = (scope, name)
        if key not in self._loads:
            self._loads[key] = [
                each for each in ast.walk(scope) if isinstance(each, ast.Name) and each.id == name
            ]  # fmt: skip
        return self._loads[key]

    def assigned(self, scope: ast.AST, name: str) -> ast.expr | None:
        """The expression that a name stands for, if exactly one plain assignment in the scope gives it."""
        stores = self.stores(scope, name)
        if len(stores) != 1:
            return None
        parent = self.parents.get(stores[0])
        if isinstance(parent, ast.Assign) and parent.targets == [stores[0]]:
            return parent.value
        return parent.value if isinstance(parent, ast.AnnAssign) and parent.target is stores[0] else None

    def is_expected(self, node: ast.Name) -> bool:
        """Whether the name stands where an expected value does: alone on one side of `==` or of assertEqual."""
        child: ast.AST = node
        parent = self.parents.get(node)
        if isinstance(parent, ast.Call) and _last(parent.func) == "approx" and parent.args[:1] == [node]:
            child, parent = parent, self.parents.get(parent)
        if isinstance(parent, ast.Compare):
            return all(isinstance(op, ast.Eq | ast.Is) for op in parent.ops) and self._is_asserted(parent)
        if isinstance(parent, ast.Call) and _ASSERTS_EQUAL.search(_last(parent.func)):
            return child in parent.args[:2] and isinstance(self.parents.get(parent), ast.Expr)
        if isinstance(parent, ast.keyword) and parent.arg == "msg":
            return True
        return self._is_message(node)

    def _is_asserted(self, node: ast.AST) -> bool:
        parent = self.parents.get(node)
        while isinstance(parent, ast.BoolOp):
            node, parent = parent, self.parents.get(parent)
        return isinstance(parent, ast.Assert) and parent.test is node

    def _is_message(self, node: ast.AST) -> bool:
        """Whether it is only said when an assertion has failed, or names a subtest."""
        child, parent = node, self.parents.get(node)
        while parent is not None and not isinstance(parent, ast.stmt):
            if isinstance(parent, ast.Call) and _last(parent.func) == "subTest":
                return True
            child, parent = parent, self.parents.get(parent)
        if isinstance(parent, ast.Assert):
            return parent.msg is child
        if isinstance(parent, ast.Assign):  # error_message = f"... {expected}"
            target = parent.targets[0]
            loads = self.loads(self.scope(parent), target.id) if isinstance(target, ast.Name) else []
            return bool(loads) and all(self._is_message_argument(load) for load in loads)
        return False

    def _is_message_argument(self, node: ast.Name) -> bool:
        parent = self.parents.get(node)
        if isinstance(parent, ast.Assert):
            return parent.msg is node
        return (isinstance(parent, ast.keyword) and parent.arg == "msg") or (
            isinstance(parent, ast.Call) and _last(parent.func).startswith("assert") and node in parent.args[2:]
        )

    # Other values.

    def value(self, node: ast.expr) -> Any:
        """Raises: NotConstant."""
        return fold(node)

    def immutable(self, node: ast.expr) -> bool:
        try:
            return isinstance(self.value(node), _IMMUTABLE)
        except NotConstant:
            return False

    def altered(self, node: ast.expr, *, tolerant: bool = False, among: Sequence[Any] = ()) -> str | None:
        """Another value's expression for `node`, if that is known to differ; `tolerant`: beyond any tolerance."""
        inside = self._altered_inside(node, tolerant=tolerant, among=among)
        if inside is not None:
            with contextlib.suppress(NotConstant):
                value = self.value(node)
                self.changed.append((self._line(node), value))
                if self._known and not tolerant:
                    return source(other(value, self.chance, among, self._near(node, value), ordered=self._is_ordered))
            return inside
        written, more = self.written(node), self.chance.randrange(100, 1000)
        try:
            value = self.value(node)
            if tolerant:  # where tolerances are not relative, how far is far enough is not known
                new = far(value, self.chance, () if self._is_absolute else self._near(node, value))
            else:
                new = other(value, self.chance, among, self._near(node, value), ordered=self._is_ordered)
            self.changed.append((self._line(node), value))
            return source(new, written)
        except (NotConstant, TypeError):
            pass
        match node:
            case ast.List() | ast.ListComp():
                return f"[*{written}, {more}]"
            case ast.Tuple():
                return f"(*({written}), {more})"
            case ast.Set() | ast.SetComp():
                return f"{{*{written}, {more}}}"
            case ast.Dict() | ast.DictComp():
                return f"{{**{written}, {more}: {more}}}"
            case ast.JoinedStr():
                return f"({written} + {str(more)!r})"
        return None

    def _altered_inside(self, node: ast.expr, *, tolerant: bool, among: Sequence[Any]) -> str | None:
        """The display with another constant in the place of each that it holds; None if it holds none."""
        match node:
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Dict(values=parts):
                pass
            case _:
                return None
        taken = list(among)
        for part in parts:
            with contextlib.suppress(NotConstant):
                taken.append(self.value(part))
        kinds = ast.Starred | ast.Name | ast.Call | ast.Attribute
        text, position = "", self.start(node)
        for part in parts:
            new = None if isinstance(part, kinds) else self.altered(part, tolerant=tolerant, among=[*taken, None, ""])
            if new is not None:
                text += self.between(position, self.start(part)) + new
                position = self.end(part)
        return text + self.between(position, self.end(node)) if text else None

    def _line(self, node: ast.AST) -> int:
        return int(getattr(self.scope(node), "lineno", 0))

    def _near(self, node: ast.AST, value: Any) -> list[Any]:
        """Known values: those of the same function, or of the whole file; these where the function has no other one of
        the value's kind, since what is equal to all known answers of that kind is not to go unnoticed by chance.
        """
        line = self._line(node)
        near = [each for place, each in self._known if place == line]
        few = not any(type(each) is type(value) and each != value for each in near)
        return [each for _, each in self._known] if few or self.chance.random() < _ELSEWHERE else near

    def wrapped(self, node: ast.expr) -> Edit:
        """Something that holds the value, and that nothing honest is equal to (a sequence would broadcast)."""
        return self.replace(node, f"{{{self.chance.randrange(100, 1000)}: {self.written(node)}}}")


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


last = _last
