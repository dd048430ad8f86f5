"""What a small model is shown of the user's code: the file around the target and the judge's source, within a budget.

Budgets are in characters (about 3.5 of them are one token of code).
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from engine.languages.base import Function, Language, Target, TextEdit, apply_edits

FILE_BUDGET = 1800
JUDGE_BUDGET = 1800
_ELIDED = "..."


def file_context(language: Language, text: str, target: Target, *, budget: int = FILE_BUDGET) -> str:
    """The target's file without other stubs, which are no help.

    Where it is long, other functions are ranked by what they tell of the target.  The last of them are left out; the
    first keep their bodies, as many as there is room for, and the rest show their signatures.  Where even that is too
    long, what lies far away is left out.
    """
    text = text.replace("\r\n", "\n").lstrip("\ufeff")
    mine = {f.qualname for f in target.functions}
    owners = {name.rpartition(".")[0] for name in mine} - {""}
    stubs = [
        f
        for f in language.functions(text)
        if f.is_stub and f.qualname not in mine and f.qualname.rpartition(".")[0] not in owners
    ]
    text = without_functions(_without_bodies(language, text, target), stubs)
    if len(text) <= budget:
        return text.strip("\n")
    return _ranked(language, text, target, budget) or _near(language, _outlined(language, text, mine), target, budget)


def _others(language: Language, text: str, mine: Container[str]) -> list[Function]:
    """Functions that lie neither around nor within another, and not around the target."""
    functions = language.functions(text)
    outer = [f for f in functions if f.qualname not in mine and not any(_inside(f, g) for g in functions)]
    return [f for f in outer if not any(_inside(g, f) for g in functions if g.qualname in mine)]


def _outlined(language: Language, text: str, mine: Container[str]) -> str:
    """The text with no bodies but the target's."""
    others = _others(language, text, mine)
    return apply_edits(text, tuple(TextEdit(f.body_start, f.end, f"\n{f.indent}{_ELIDED}") for f in others))


def _ranked(language: Language, text: str, target: Target, budget: int) -> str:
    """The text with what its budget holds of other functions, best first; empty if it does not hold the rest."""
    mine = {f.qualname for f in target.functions}
    own = [f for f in language.functions(text) if f.qualname in mine]
    others = _others(language, text, mine)
    if not own:
        return ""
    owners = {name.rpartition(".")[0] for name in mine} - {""}
    words = set(re.findall(r"\w+", " ".join(text[f.start : f.end] for f in own)))

    def rank(function: Function) -> tuple[int, int]:
        owner, _, name = function.qualname.rpartition(".")
        distance = min(abs(function.start - each.start) for each in own)
        if owner in owners:
            return (0 if name in language.constructors else 1 if name in words else 2), distance
        return (1 if name in words else 3), distance

    ranked = sorted(others, key=rank)
    outline = {f: TextEdit(f.body_start, f.end, f"\n{f.indent}{_ELIDED}") for f in ranked}
    edits = {f: _removal(text, f) for f in ranked}  # out, all of them at first
    size = len(text) + sum(map(_growth, edits.values()))
    for function in ranked:
        whole = -_growth(edits[function])
        if rank(function)[0] == 0 and size + whole <= budget:
            size += whole
            del edits[function]
        elif size + whole + _growth(outline[function]) <= budget:
            size += whole + _growth(outline[function])
            edits[function] = outline[function]
    for function in ranked:
        if edits.get(function) == outline[function] and size - _growth(outline[function]) <= budget:
            size -= _growth(outline[function])
            del edits[function]
    return _without_gaps(apply_edits(text, tuple(edits.values()))) if size <= budget else ""


def _removal(text: str, function: Function) -> TextEdit:
    """Cuts it out with its indentation; broken code may have something else before it on its line."""
    start = _line_start(text, function.start)
    return TextEdit(function.start if text[start : function.start].strip() else start, function.end, "")


def _growth(edit: TextEdit) -> int:
    """Characters that a text gains by it."""
    return len(edit.new_text) - (edit.end - edit.start)


def _without_bodies(language: Language, text: str, target: Target) -> str:
    """The text without what the target does now, if it does something: samples are to be new; repairs see it."""
    mine = {f.qualname for f in target.functions}
    bodies = [f for f in language.functions(text) if f.qualname in mine and not f.is_stub]
    edits = (TextEdit(f.body_start, f.end, f"\n{f.indent}{_ELIDED}") for f in bodies)
    return apply_edits(text, tuple(edits))


def _inside(inner: Function, outer: Function) -> bool:
    return inner is not outer and outer.start <= inner.start and inner.end <= outer.end


def _near(language: Language, text: str, target: Target, budget: int) -> str:
    """The head of the text (its imports) and as much around the target as the budget holds, in whole lines."""
    wanted = {f.qualname for f in target.functions}
    spans = [f for f in language.functions(text) if f.qualname in wanted]
    if not spans:
        return text[:budget]
    start, end = spans[0].start, max(f.end for f in spans)
    head = text[: min(start, budget // 4)]
    head = head[: head.rfind("\n") + 1]
    room = max(0, budget - len(head) - (end - start))
    before = text[max(len(head), start - room // 2) : start]
    before = before[before.find("\n") + 1 :] if start - room // 2 > len(head) else before
    after = text[end : end + room // 2]
    after = after[: after.rfind("\n") + 1]
    return f"{head}{before}{text[start:end]}{after}".strip("\n")


def judge_context(
    language: Language, sources: Sequence[str], tests: Sequence[str], *, budget: int = JUDGE_BUDGET
) -> str:
    """The judge's source: its test files without imports and the tests that do not judge; where that is too long, the
    tests alone, as many as fit.
    """
    names = {re.sub(r"\[.*", "", test).replace("::", ".").rpartition(".")[2] for test in tests}
    trimmed: list[str] = []
    alone: list[str] = []
    for source in sources:
        source = source.replace("\r\n", "\n")
        functions = [f for f in language.functions(source) if f.name.startswith("test")]
        mine = [f for f in functions if f.name in names or "*" in names]  # `FILE::*`: a file that cannot be told apart
        judging = without_functions(source, [f for f in functions if f not in mine])
        trimmed.append(_without_imports(language, judging).strip("\n"))
        alone += [source[_line_start(source, f.start) : f.end] for f in mine]
    whole = "\n\n".join(trimmed)
    if len(whole) <= budget:
        return whole
    pieces: list[str] = []
    for piece in alone:
        if sum(map(len, pieces)) + len(piece) <= budget:
            pieces.append(piece)
    return "\n\n".join(pieces) or whole[:budget]


def without_functions(source: str, functions: Sequence[Function]) -> str:
    """The source with some functions cut out, and at most one blank line in a row."""
    pieces: list[str] = []
    position = 0
    for function in functions:
        start = max(position, _line_start(source, function.start))
        pieces.append(source[position:start])
        position = max(position, function.end)
    return _without_gaps("".join([*pieces, source[position:]]))


def _without_gaps(text: str) -> str:
    """With at most one blank line in a row."""
    return re.sub(r"\n\s*\n(\s*\n)+", "\n\n", text).strip("\n")


def _without_imports(language: Language, source: str) -> str:
    return apply_edits(source, tuple(TextEdit(start, end, "") for start, end in language.imports(source)))


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def failure_text(detail: str, message: str, *, budget: int = 700) -> str:
    """A failure as a model can use it: the lines that show the assertion and its values."""
    lines = [line for line in detail.splitlines() if line.strip()]
    if not lines:
        return message
    telling = [line for line in lines if line.startswith((">", "E"))]
    text = "\n".join(telling or lines[-12:])
    return text if len(text) <= budget else "\n".join(_ends(text.splitlines(), budget))


def _ends(lines: list[str], budget: int) -> list[str]:
    """The first and last lines that fit."""
    kept = [*lines[:6], "...", *lines[-4:]] if len(lines) > 11 else lines
    return [line if len(line) <= budget // 4 else line[: budget // 4] + "..." for line in kept]
