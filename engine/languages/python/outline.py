"""What a module imports from its own project, and how a definition looks from outside: signatures, without bodies."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from pathlib import Path

from engine.languages.base import Imported

_MOST_MEMBERS = 12
_SHORT = 200  # characters: a definition that tells more than its signature does, for little


def imported(text: str, path: Path, root: Path) -> tuple[Imported, ...]:
    """Names that the module at `path` imports, with the files of the workspace that may define them."""
    try:
        tree = ast.parse(text.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names if alias.name != "*")
            files = tuple(_files(node.module or "", node.level, path, root))
            found.append(Imported(names, files))
            found += [
                Imported((), tuple(_files(f"{node.module or ''}.{name}".strip("."), node.level, path, root)))
                for name in names
            ]
        elif isinstance(node, ast.Import):
            found += [Imported((), tuple(_files(alias.name, 0, path, root))) for alias in node.names]
    return tuple(found)


def _files(module: str, level: int, path: Path, root: Path) -> Iterator[Path]:
    """Where a module of that name would lie: beside its importer's packages, in the workspace, or below `src`."""
    parts = module.split(".") if module else []
    if level:
        bases = [path.parents[level - 1]] if level <= len(path.parents) else []
    else:
        bases = [folder for folder in path.parents if folder.is_relative_to(root)]
        bases.append(root / "src")
    for base in bases:
        place = base.joinpath(*parts)
        if parts:
            yield place.with_name(f"{place.name}.py")
        yield place / "__init__.py"


def outline(text: str, name: str) -> str:
    """The definition of `name` as others see it: a function's signature and the first line of its docstring, or the
    whole of it if it has none and is short; a class with its fields (`__init__`, if it is short) and its methods'
    signatures; a constant as it is, if it is short.  Empty if there is none.
    """
    try:
        tree = ast.parse(text.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return _short(node, "") or _function(node, "")
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _class(node)
        if name in _assigned(node):
            told = ast.unparse(node)
            return told if len(told) <= 120 else f"{told[:100]}..."
    return ""


def names(text: str) -> tuple[str, ...]:
    """The public functions and classes that a module defines."""
    try:
        tree = ast.parse(text.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return tuple(node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_"))


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, indent: str) -> str:
    keyword = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    lines = [f"{indent}@{ast.unparse(decorator)}" for decorator in node.decorator_list]
    lines.append(f"{indent}{keyword} {node.name}({ast.unparse(node.args)}){returns}:")
    doc = (ast.get_docstring(node) or "").partition("\n")[0]
    lines.append(f'{indent}    """{doc}"""' if doc and '"""' not in doc else f"{indent}    ...")
    return "\n".join(lines)


def _short(node: ast.FunctionDef | ast.AsyncFunctionDef, indent: str) -> str:
    """The whole of it, if it is short and no docstring says what it does."""
    whole = ast.unparse(node)
    return "" if len(whole) > _SHORT or ast.get_docstring(node) is not None else textwrap.indent(whole, indent)


def _class(node: ast.ClassDef) -> str:
    bases = [*map(ast.unparse, node.bases), *(f"{k.arg}={ast.unparse(k.value)}" for k in node.keywords if k.arg)]
    lines = [f"@{ast.unparse(decorator)}" for decorator in node.decorator_list]
    inherits = f"({', '.join(bases)})" if bases else ""
    lines.append(f"class {node.name}{inherits}:")
    doc = (ast.get_docstring(node) or "").partition("\n")[0]
    members = [f'    """{doc}"""'] if doc and '"""' not in doc else []
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            if not each.name.startswith("_") or each.name == "__init__":
                fields = _short(each, "    ") if each.name == "__init__" else ""
                members.append(fields or _function(each, "    "))
        elif isinstance(each, ast.Assign | ast.AnnAssign):
            told = ast.unparse(each)
            members += [f"    {told}"] if len(told) <= 100 else []
    return "\n".join([*lines, *(members[:_MOST_MEMBERS] or ["    ..."])])


def _assigned(node: ast.stmt) -> set[str]:
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return set()
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
