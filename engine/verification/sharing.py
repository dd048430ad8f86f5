"""What the tests share with an implementation, besides the arguments and results of its calls.

Where it is called from another process, an honest one may fail for these: state of its module, of classes and
processes, files, the clock.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from attrs import frozen

from engine.languages.base import Function, Language, Target
from engine.verification.base import Judge

# What tests share with the implementation besides arguments and results, when both are in one process.
_SHARED = re.compile(
    r"monkeypatch|mock|\bpatch\b|seed\(|setstate|environ|chdir|tmp_?path|tmpdir|tempfile|freez|caplog|assertLogs|"
    r"\btime\.|\.now\(|\.today\(|\bopen\(|std(?:in|out|err)|redirect_|capfd|getrefcount|weakref|gc\.|tracemalloc|"
    r"recursionlimit|cache_info|cache_clear|import_module|reload\(|sys\.modules|setlocale|getcontext|localcontext|"
    r"subprocess|check_output|popen|os\.system|multiprocessing|ProcessPool|runpy|pytester|testdir|\bwrite_(?:text|bytes)|"
    r"\bmkdir|datadir|\bfs\b|\bresponses\.|respx|httpserver"
)

# What all instances of a class share; its name is no state.
_OF_CLASS = re.compile(r"(?:\bcls|\b__class__|\btype\(self\))\.(?!__\w+__\b)(\w+)")


@frozen
class Sharing:
    """Told from the texts alone.

    Attributes:
        before: the document with the target unimplemented or otherwise implemented; after: with the implementation.
        read: the text of a test file, as the tests see it.
    """

    language: Language
    target: Target
    judge: Judge
    before: str
    after: str
    read: Callable[[Path], str]

    def exceeds_data(self, tests_failed: Sequence[str], shared: Sequence[str]) -> bool:
        """Whether it may fail for more than what its calls say: each of the tests that failed reaches into its
        process, or other parts of its module were changed along with the target.
        """
        if not self.language.rest_is_kept(self.before, self.after, self.target):
            return True
        failed = {_name(test) for test in tests_failed} or {"*"}
        variables = _words([*self._variables(shared), *self.language.variables(self.after)])
        names = _words([name.partition(".")[0] for name in self.target.names])
        state = re.compile(rf"{variables.pattern}|{names.pattern}\.\w")  # of the module, or kept by what it defines
        own, led_to = self._bodies()
        if state.search(own) or _OF_CLASS.search(own) or variables.search(led_to):
            return True
        besides, tests = "", {"*": ""}
        for file in self.test_files():
            rest, own_tests = self._parts(file)
            besides += f"{rest}\n"
            for name, text in own_tests.items():
                tests[name] = f"{tests.get(name, '')}{text}\n"
        if _SHARED.search(besides) or state.search(besides):
            return True
        texts = (tests.get(name, "") if name != "*" else "".join(tests.values()) for name in failed)
        return all(_SHARED.search(text) or state.search(text) for text in texts)

    def has_memory(self, shared: Sequence[str]) -> bool:
        """Whether the target uses a variable that was there before, in its module or class; what it keeps on itself is
        none.
        """
        own, led_to = self._bodies()
        variables = self._variables(shared)
        given = [name for name in self.language.variables(self.after) if re.search(rf"(?m)^{name}\b", self.before)]
        classes = {name.partition(".")[0] for name in self.target.names if "." in name}
        kept = [*_OF_CLASS.findall(own), *re.findall(rf"{_words(classes).pattern}\.(\w+)", own)]
        return bool(_words([*variables, *given]).search(own + led_to)) or any(
            re.search(rf"(?m)^[ \t]+{name}\b", self.before) for name in kept
        )

    def test_files(self) -> list[Path]:
        """The judge's files, and what they are set up by."""
        folders = {folder for file in self.judge.files for folder in file.parents}
        return [*self.judge.files, *(folder / "conftest.py" for folder in folders)]

    def _variables(self, shared: Sequence[str]) -> list[str]:
        """What may change in the module as it was; not what decorators have made objects of."""
        defined = {function.qualname for function in self.language.functions(self.before)}
        return [*self.language.variables(self.before), *(name for name in shared if name not in defined)]

    def _bodies(self) -> tuple[str, str]:
        """The bodies of the target's functions, and of what else in the module these lead to, by its name."""
        functions = self.language.functions(self.after)
        own = [function for function in functions if function.qualname in self.target.names]
        reached = list(own)
        for function in reached:
            words = set(re.findall(r"\w+", self.after[function.body_start : function.end]))
            reached += (f for f in functions if _called_by(f) in words and f not in reached)
        texts = [self.after[function.body_start : function.end] for function in reached]
        return "\n".join(texts[: len(own)]), "\n".join(texts[len(own) :])

    def _parts(self, file: Path) -> tuple[str, dict[str, str]]:
        """What a test file holds besides imports and tests, and its tests by their names, these without imports too."""
        text = self.read(file)
        imports = sorted(self.language.imports(text))
        tests = [f for f in self.language.functions(text) if f.name.startswith("test")]
        own: dict[str, str] = {}
        for test in tests:
            inside = imports[bisect_left(imports, (test.start, 0)) : bisect_left(imports, (test.end, 0))]
            shifted = [(start - test.start, end - test.start) for start, end in inside]
            name = test.name.partition("[")[0]
            own[name] = f"{own.get(name, '')}{_without(text[test.start : test.end], shifted)}\n"
        return _without(text, [*imports, *((test.start, test.end) for test in tests)]), own


def _words(names: Iterable[str]) -> re.Pattern[str]:
    """Any of the names, as a word."""
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, names)) or '(?!)'})\b")


def _called_by(function: Function) -> str:
    """The name that calls it: its own, or of `Class.__init__` that of the class."""
    outer, _, name = function.qualname.rpartition(".")
    return outer.rpartition(".")[2] if outer and name.startswith("__") else name


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text without these parts of it; of parts inside another the outer one counts."""
    kept, end = [], 0
    for start, behind in sorted(spans):
        if start >= end:
            kept.append(text[end:start])
            end = behind
    return "".join([*kept, text[end:]])


def _name(test: str) -> str:
    """`test_y` of `tests/test_a.py::TestC::test_y[1]` or `tests.test_a.TestC.test_y`; `*` of `tests/test_a.py::*`."""
    return re.split(r"::|\.", test.partition("[")[0])[-1]
