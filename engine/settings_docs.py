"""What is generated from the declaration of the settings: tables of the docs, and each editor's own declarations.

`python -m engine.settings_docs` prints the README's table; `--write [ROOT]` brings every generated part of a checkout
into line, `--check [ROOT]` names those that are not, and exits 1.  A part that is absent is none of its business, so
that a copy without some editor can be checked, too.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import Attribute, fields

from engine.config import Settings

_BEGIN, _END = "settings: generated", "settings: end"
_REMEDY = "Run `python -m engine.settings_docs --write`."
Kind = str


def table() -> str:
    """The settings as a Markdown table."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    rows += [f"| `{each.name}` | `{_shown(each.default)}` | {_meaning(each)} |" for each in fields(Settings)]
    return "\n".join(rows)


def vscode_properties() -> dict[str, dict[str, Any]]:
    """`contributes.configuration[0].properties` of the extension's manifest."""
    properties: dict[str, dict[str, Any]] = {}
    for each in fields(Settings):
        kinds: dict[Kind, dict[str, Any]] = {
            "str": {"type": "string"},
            "int": {"type": "integer"},
            "float": {"type": "number"},
            "bool": {"type": "boolean"},
            "tuple[str, ...]": {"type": "array", "items": {"type": "string"}},
        }
        declared = dict(kinds[str(each.type)])
        if each.metadata["choices"]:
            declared["enum"] = list(each.metadata["choices"])
        if each.metadata["least"] is not None:
            declared["minimum"] = each.metadata["least"]
        if each.metadata["most"] is not None:
            declared["maximum"] = each.metadata["most"]
        declared["default"] = list(each.default) if isinstance(each.default, tuple) else each.default
        declared["scope"] = "machine" if each.metadata["local"] else "machine-overridable"
        declared["markdownDescription"] = each.metadata["help"]
        declared["order"] = len(properties)  # the settings editor would sort them by name
        properties[f"greenfinch.{each.name}"] = declared
    return properties


def vscode_manifest(text: str) -> str:
    """The extension's manifest with its generated parts in place: properties, and what no untrusted workspace sets.

    Settings whose names the declaration does not know (`greenfinch.server.command`) are the extension's own.
    """
    manifest = json.loads(text)
    manifest["contributes"]["configuration"][0]["properties"] = vscode_properties()
    restricted = manifest["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]
    known = {f"greenfinch.{each.name}" for each in fields(Settings)}
    own = [name for name in restricted if name not in known and name.count(".") > 1]
    local = [f"greenfinch.{each.name}" for each in fields(Settings) if each.metadata["local"]]
    manifest["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"] = own + local
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def lua_types() -> str:
    """LuaCATS types of the settings, for completion and checking in a Neovim configuration."""
    kinds = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "tuple[str, ...]": "string[]"}
    lines = [
        "---@meta",
        "-- Generated from engine/config.py by `python -m engine.settings_docs --write`; do not edit.",
        "",
        "---What `vim.lsp.config('greenfinch', { settings = { greenfinch = ... } })` takes.",
        "---@class greenfinch.Settings",
    ]
    for each in fields(Settings):
        kind = "|".join(f"'{choice}'" for choice in each.metadata["choices"]) or kinds[str(each.type)]
        lines += [f"---{line}" for line in _wrapped(each.metadata["help"], 110)]
        lines += [f"---Default: `{_shown(each.default)}`.", f"---@field {each.name}? {kind}"]
    return "\n".join(lines) + "\n"


def vimdoc() -> str:
    """The settings as a section's body of Vim's help."""
    parts = []
    for each in fields(Settings):
        tag = f"*greenfinch-{each.name}*"
        head = f"{each.name}  (default {json.dumps(_plain(each.default))})"
        line = f"{head:{max(len(head) + 2, 78 - len(tag))}}{tag}"
        meaning = _meaning(each).replace("|", "/")  # a bar begins a link there
        parts.append("\n".join([line, *textwrap.wrap(meaning, 74, initial_indent="    ", subsequent_indent="    ")]))
    return "\n\n".join(parts)


def elisp() -> str:
    """One `defcustom` a setting, and the list by which greenfinch-client.el finds them."""
    lines, names = [], []
    for each in fields(Settings):
        symbol = f"greenfinch-{each.name.replace('_', '-')}"
        meaning = each.metadata["help"].replace("\\", "\\\\").replace('"', '\\"').replace("`", "")
        meaning = re.sub(r"\.\s+", ".  ", meaning)  # as its docstrings are written
        lead = f"Setting {each.name} of the server."  # Emacs wants a whole sentence in the first line
        text = "\n".join([f'"{lead}', *_wrapped(meaning, 76)]) + '"'
        head = f"(defcustom {symbol} {_lisp_value(each.default)}"
        lines.append(f"{head}\n  {text}\n  :type '{_lisp_type(each)}\n  :group 'greenfinch)")
        names.append(f"(:{each.name} {symbol} {_lisp_kind(str(each.type))})")
    listing = "\n    ".join(names)
    doc = '"All settings of the server: name there, variable here, kind of value."'
    lines.append(f"(defconst greenfinch-settings--all\n  '({listing})\n  {doc})")
    return "\n\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """`python -m engine.settings_docs`."""
    option, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if option not in ("", "--write", "--check") or len(rest) > 1:
        sys.exit("Usage: python -m engine.settings_docs [--write | --check [ROOT]]")
    if not option:
        print(table())
        return
    root = Path(rest[0] if rest else ".")
    stale = []
    for name, renew in _PARTS.items():
        file = root / name
        if not file.is_file():
            continue
        text = file.read_text("utf-8")
        if (renewed := renew(text)) != text:
            stale.append(name)
            if option == "--write":
                file.write_text(renewed, "utf-8")
    if option == "--check" and stale:
        sys.exit(f"{', '.join(stale)}: not what engine/config.py declares.  {_REMEDY}")
    print("\n".join(f"written: {name}" for name in stale) or "Everything generated from the settings is up to date.")


def _between(text: str, body: str) -> str:
    """`text` with `body` between the lines that hold the two marks."""
    lines = text.splitlines()
    begin = next((number for number, line in enumerate(lines) if _BEGIN in line), None)
    end = next((number for number, line in enumerate(lines) if _END in line), None)
    if begin is None or end is None or end < begin:
        raise SystemExit(f"A file lacks the marks `{_BEGIN}` and `{_END}` around its generated part.")
    return "\n".join([*lines[: begin + 1], "", body, "", *lines[end:]]) + "\n"


_PARTS: dict[str, Callable[[str], str]] = {
    "README.md": lambda text: _between(text, table()),
    "editors/vscode/package.json": vscode_manifest,
    "editors/neovim/lua/greenfinch/types.lua": lambda _text: lua_types(),
    "editors/neovim/doc/greenfinch.txt": lambda text: _between(text, vimdoc()),
    "editors/emacs/greenfinch-settings.el": lambda text: _between(text, elisp()),
}


def _meaning(each: Attribute[Any]) -> str:
    choices: tuple[str, ...] = each.metadata["choices"]
    return str(each.metadata["help"]) + (f" One of: {', '.join(f'`{c}`' for c in choices)}." if choices else "")


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return "[]" if default == () else '""' if default == "" else str(default)


def _plain(default: Any) -> Any:
    return list(default) if isinstance(default, tuple) else default


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _lisp_value(default: Any) -> str:
    if isinstance(default, bool):
        return "t" if default else "nil"
    if isinstance(default, tuple):
        return "nil" if not default else f"'({' '.join(json.dumps(item) for item in default)})"
    return json.dumps(default)


def _lisp_kind(kind: Kind) -> str:
    return {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}.get(kind, "strings")


def _lisp_type(each: Attribute[Any]) -> str:
    if each.metadata["choices"]:
        return f"(choice {' '.join(f'(const {json.dumps(choice)})' for choice in each.metadata['choices'])})"
    kind = _lisp_kind(str(each.type))
    return "(repeat string)" if kind == "strings" else kind


if __name__ == "__main__":
    main()
