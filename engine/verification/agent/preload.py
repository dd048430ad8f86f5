"""What the warm server loads before it forks, and what makes a fork look like a fresh start."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from .runner import below

OWN = __name__.partition(".")[0]
MEANT_FOR_RUNS = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")  # may name what is the project's own

# One test that passes and one that does not, so that what pytest loads late is loaded, too.
TRIAL = """\
import pytest

@pytest.mark.parametrize("number", [1])
def test_passes(number, tmp_path):
    assert number == 1

def test_fails():
    assert [1, 2] == [1, 3]
"""


# Hypothesis computes tables of characters on their first use, which takes longer than most tests.
TRIAL_OF_HYPOTHESIS = """\
from hypothesis import given, settings, strategies

@settings(database=None, deadline=None, max_examples=5)
@given(strategies.text(), strategies.integers())
def test_generated(text, number):
    assert text == text
"""


def load_modules(framework: str, names: list[str]) -> None:
    """Import the test framework and the modules `names`; those that cannot be imported are left out.

    In a session of pytest of its own, because pytest rewrites the modules of plug-ins while they are imported.
    """

    def load() -> None:
        for name in names:
            if name not in sys.modules:
                with contextlib.suppress(Exception, SystemExit):  # the run that needs it will say what is wrong
                    importlib.import_module(name)

    if framework != "pytest":
        importlib.import_module("unittest")
        load()
        return
    trial = TRIAL + (TRIAL_OF_HYPOTHESIS if "hypothesis" in names else "")
    with trial_folder(trial) as folder, quiet():
        import pytest

        class Plugin:
            @pytest.hookimpl(trylast=True)
            def pytest_configure(self) -> None:
                load()

        none = os.path.join(folder, "none.ini")
        with open(none, "w", encoding="utf-8") as handle:
            handle.write("[pytest]\n")
        pytest.main(["-q", "-c", none, f"--rootdir={folder}", "-p", "no:cacheprovider", "--basetemp",
                     os.path.join(folder, "temporary"), folder], plugins=[Plugin()])  # fmt: skip


@contextlib.contextmanager
def trial_folder(trial: str) -> Iterator[str]:
    """A folder with a test; what running it leaves in this process is taken away."""
    path, modules = list(sys.path), "test_greenfinch_trial"
    kept = {name: os.environ.pop(name) for name in MEANT_FOR_RUNS if name in os.environ}
    folder = os.path.realpath(tempfile.mkdtemp())
    with open(os.path.join(folder, modules + ".py"), "w", encoding="utf-8") as handle:
        handle.write(trial)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        sys.modules.pop(modules, None)
        sys.path[:] = path
        os.environ.update(kept)
        os.environ.pop("PYTEST_CURRENT_TEST", None)
        sys.path_importer_cache.pop(folder, None)
        for name in ("last_exc", "last_type", "last_value", "last_traceback"):
            if hasattr(sys, name):
                delattr(sys, name)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing is printed."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    kept = [os.dup(1), os.dup(2)]
    try:
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, descriptor in enumerate(kept, 1):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.close(nothing)


def why_unfit(root: str) -> str:
    """Why this process cannot be forked for runs; empty if it can."""
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        return f"an installed module has started a thread ({threads - 1})"
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        is_inside = isinstance(file, str) and below(os.path.abspath(file), root) and "/site-packages/" not in file
        if is_inside and name.partition(".")[0] != OWN:
            return f"an installed module imports the project's own {name}"
    return ""


def as_if_just_started() -> None:
    """In the process of one run: nothing shows that it was forked, and chance is its own."""
    for name in [name for name in sys.modules if name.partition(".")[0] == OWN]:
        del sys.modules[name]
    numbers: Any = sys.modules.get("numpy.random")
    if numbers is not None:
        numbers.seed()  # Python's own generator does so by itself
