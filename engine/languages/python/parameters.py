"""`pytest.mark.parametrize` as it stands in a test file: its columns, and the ids that pytest makes of them.

An id is made of the values, so a column may change only if the ids stay: containers are named by argument and row, and
for anything else the ids are written out as pytest would have made them (`_pytest.python.IdMaker`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from attrs import frozen

from engine.languages.python.folding import NotConstant, fold
from engine.languages.python.testfile import Definition, Edit, TestFile, last


@frozen
class Parametrized:
    """One decorator.

    Attributes:
        columns: for each argument, the expressions of its values.
        on_class: it decorates a class, and counts for each of its tests.
    """

    call: ast.Call
    columns: dict[str, list[ast.expr]]
    rows: list[ast.expr]
    on_class: bool

    def ids(self, file: TestFile, name: str) -> tuple[Edit, ...] | None:
        """The edits that keep the ids when column `name` changes; None if it may not change."""
        given = next((k.value for k in self.call.keywords if k.arg == "ids"), None)
        if given is not None:
            kept = isinstance(given, ast.List | ast.Tuple) and all(
                isinstance(each, ast.Constant) and isinstance(each.value, str) for each in given.elts
            )
            return () if kept else None
        if all(isinstance(value, ast.List | ast.Tuple | ast.Dict | ast.Set) for value in self.columns[name]):
            return ()
        ids: list[str] = []
        for number, row in enumerate(self.rows):
            made = [_id(argument, number, values[number]) for argument, values in self.columns.items()]
            named = isinstance(row, ast.Call) and any(k.arg == "id" for k in row.keywords)
            if not named and (None in made or not any(made)):
                return None
            ids.append("None" if named else repr("-".join(each or "" for each in made)))
        last_end = max(file.end(each) for each in (*self.call.args, *(k.value for k in self.call.keywords)))
        place = file.end(self.call) - 1
        rest = "".join(line.partition("#")[0] for line in file.between(last_end, place).splitlines(keepends=True))
        return ((place, place, f"{'' if ',' in rest else ', '}ids=[{', '.join(ids)}]"),)


def _id(argument: str, number: int, value: ast.expr) -> str | None:
    """pytest's id of one value, before escaping (which an id that is written out goes through as well)."""
    if isinstance(value, ast.List | ast.Tuple | ast.Dict | ast.Set | ast.ListComp | ast.Lambda):
        return None if isinstance(value, ast.Lambda) else f"{argument}{number}"
    try:
        found = fold(value)
    except NotConstant:
        return None
    if isinstance(found, str | int | float | complex | bool | None):
        return str(found)
    return f"{argument}{number}" if isinstance(found, list | tuple | dict | set) else None


def parametrized(file: TestFile, holders: Sequence[ast.AST]) -> Iterator[Parametrized]:
    """The parametrizations of functions and classes whose values can be read; a name that is set twice is left out."""
    for holder in holders:
        if not isinstance(holder, Definition | ast.ClassDef):
            continue
        for call in holder.decorator_list:
            if isinstance(call, ast.Call) and last(call.func) == "parametrize":
                found = _read(file, call, isinstance(holder, ast.ClassDef))
                if found is not None:
                    yield found


def _read(file: TestFile, call: ast.Call, on_class: bool) -> Parametrized | None:
    keywords = {k.arg: k.value for k in call.keywords}
    arguments = dict(zip(("argnames", "argvalues"), call.args, strict=False)) | keywords
    names = _names(arguments.get("argnames"))
    values = arguments.get("argvalues")
    if isinstance(values, ast.Name) and len(file.loads(file.tree, values.id)) == 1:
        values = file.assigned(file.tree, values.id)
    if not names or not isinstance(values, ast.List | ast.Tuple) or "indirect" in keywords or len(call.args) > 2:
        return None
    columns: dict[str, list[ast.expr]] = {name: [] for name in names}
    for row in values.elts:
        cells = _cells(row, len(names))
        if cells is None:
            return None
        for name, cell in zip(names, cells, strict=True):
            columns[name].append(cell)
    return Parametrized(call, columns, list(values.elts), on_class)


def _names(node: ast.expr | None) -> list[str]:
    match node:
        case ast.Constant(value=str(text)):
            return [name.strip() for name in text.split(",") if name.strip()]
        case ast.Tuple(elts=elts) | ast.List(elts=elts):
            found = [each.value for each in elts if isinstance(each, ast.Constant)]
            return [each for each in found if isinstance(each, str)] if len(found) == len(elts) else []
    return []


def _cells(row: ast.expr, count: int) -> list[ast.expr] | None:
    if isinstance(row, ast.Call) and last(row.func) == "param":
        cells = list(row.args)
    elif count == 1 or not isinstance(row, ast.Tuple | ast.List):
        cells = [row]
    else:
        cells = list(row.elts)
    return cells if len(cells) == count and not any(isinstance(each, ast.Starred) for each in cells) else None
