"""What looks like a secret, replaced: in records wherever it stands, and in what tests print before anybody sees it.

Tests get an environment without secrets and no sight of the home folder (see `verification/environment`, `sight`); but
what they may read, a file of the workspace or a variable that the user lets through, they may print.
"""

from __future__ import annotations

import os
import re
import string
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

_SECRET_NAME = re.compile(r"TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_SHORTEST_SECRET = 6  # a "key" such as `1` or `true` would be found everywhere
_URL_PASSWORD = r"(?<=://)[^/\s:@\"']+:[^/\s@\"']+(?=@)"  # noqa: S105 - a pattern

# Of a run of characters, also behind a line break as `repr` writes it.  Not within one: texts are hostile, and from
# each start all that follows would be read.
_START = r"(?:(?<![\w-])|(?<=\\[nrt]))"
# The forms that issuers give to their tokens so that they can be found; each is long enough to be nothing else.
_FORMS = {
    "private key": r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)",
    "token": _START
    + (
        r"(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[\w-]{20,}|hf_[A-Za-z0-9]{30,}"
        r"|npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{50,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|sk-(?=[\w-]*\d)[\w-]{20,}"
        r"|[rs]k_live_[A-Za-z0-9]{16,}|AIza[\w-]{35}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
        # and what is left of one where a long text was cut off
        r"|(?:gh[pousr]_|github_pat_|glpat-|hf_|npm_|pypi-AgE|xox[abeoprs]-|sk-|[rs]k_live_|AIza|eyJ)[\w-]{4,}"
        r"(?:\.eyJ[\w-]*)?(?:\.[\w-]*)?(?=\.\.\.))"
    ),
    "access key": _START + r"(?:(?:AKIA|ASIA)[0-9A-Z]{16}\b|(?:AKIA|ASIA)[0-9A-Z]{4,}(?=\.\.\.))",
    "authorization": r"(?i:(?<=\bbearer )|(?<=\bbasic ))[A-Za-z0-9+/_.=~-]{16,}",
}
# What is called a secret, known by its name alone: in records only, for a model that repairs needs values of its tests.
_NAMED = (
    r"(?i:passw(?:or)?d|passphrase|client_secret|secret_?(?:access_?)?key|api_?key|private_?key"
    r"|(?:access|auth|refresh)_?token)[\"']?\s*(?:=(?!=)|:)\s*[\"']?(?P<named>[^\s\"',;)}\]]{6,})"
)
_CAPTURED = frozenset({"message", "detail", "output", "reason", "what", "remedy"})  # of a record's lines


class Redactor:
    """Replaces, wherever they appear in plain data: values of secret environment variables by `[NAME]`, passwords in
    URLs by `[password]`, the home folder by `~`; and in what tests have printed everything that looks like a secret.

    Args:
        also: names of variables that hold secrets although their names do not say so.
    """

    def __init__(self, environment: Mapping[str, str], *, also: Iterable[str] = ()) -> None:
        self._home = str(Path.home())
        self._names = _values(environment, also)
        patterns = [*_by_length(self._names), _URL_PASSWORD]
        if len(Path(self._home).parts) > 1:  # some containers have / for a home
            patterns.append(rf"(?<![\w.-]){re.escape(self._home)}(?![\w.-])")
        self._pattern = re.compile("|".join(patterns))

    def __call__(self, value: Any, *, captured: bool = False) -> Any:
        """A copy of `value`: mappings and sequences gone through, keys included, other objects as they are.

        `captured`: it is what tests have printed.
        """
        if isinstance(value, str):
            found = self._pattern.sub(self._replacement, value)
            return _without_named(without_forms(found)) if captured else found
        if isinstance(value, Path):
            return self(str(value))
        if isinstance(value, Mapping):
            return {self(key): self(item, captured=captured or key in _CAPTURED) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self(item, captured=captured) for item in value]
        return value

    def _replacement(self, match: re.Match[str]) -> str:
        if match[0] == self._home:
            return "~"
        return f"[{self._names.get(match[0], 'password')}]"


def redacted(printed: str) -> str:
    """What tests have printed, without values of secret variables of this process and without tokens of known forms;
    as a text that can be written and sent: half a surrogate pair, which no encoding has, is shown by its number.
    """
    pattern, names = _own_environment()
    printed = printed.encode("utf-8", "backslashreplace").decode()
    return without_forms(pattern.sub(lambda match: f"[{names[match[0]]}]", printed))


def without_forms(text: str) -> str:
    """The text without tokens and keys that are known by their form."""
    for name, form in _COMPILED.items():
        text = form.sub(f"[{name}]", text)
    *keys, rest = _KEY_END.split(text)  # of keys whose beginning was cut off
    return "".join(f"{key.rstrip(_BASE64)}[private key]" for key in keys) + rest


def _without_named(text: str) -> str:
    return _NAMED_COMPILED.sub(lambda match: match[0].replace(match["named"], "[secret]"), text)


@lru_cache(maxsize=1)
def _own_environment() -> tuple[re.Pattern[str], dict[str, str]]:
    names = _values(os.environ, ())
    return re.compile("|".join(_by_length(names)) or r"(?!)"), names


def _values(environment: Mapping[str, str], also: Iterable[str]) -> dict[str, str]:
    """Names of secret variables by their values."""
    named = set(also)
    return {
        value: name
        for name, value in environment.items()
        if (name in named or _SECRET_NAME.search(name)) and len(value) >= _SHORTEST_SECRET
    }


def _by_length(values: Iterable[str]) -> list[str]:
    return [re.escape(value) for value in sorted(values, key=len, reverse=True)]


_KEY_END = re.compile(r"-----END [A-Z ]{0,40}PRIVATE KEY-----")
_BASE64 = f"{string.ascii_letters}{string.digits}+/=\\\r\n"
_COMPILED = {name: re.compile(form) for name, form in _FORMS.items()}
_NAMED_COMPILED = re.compile(_NAMED)
