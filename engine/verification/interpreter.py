"""Find the user's Python: the one their tests run in, never Greenfinch's own unless nothing else is there.

Looked for in the order in which a person would have chosen it.  Each place is asked by one short run of the
interpreter found there; the answers are remembered until the interpreter or its packages change.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from anyio import to_thread
from attrs import evolve, field, frozen

from engine.errors import InterpreterError
from engine.paths import expanded
from engine.verification.environment import clean_environment

OLDEST = (3, 9)
PROBE_SECONDS = 15.0
POETRY_SECONDS = 5.0

# Runs under any Python, even one that is too old, so that its version can be told.
_PROBE = """\
import sys, json
sys.path[:] = [p for p in sys.path if p]
try:
    from importlib.util import find_spec
    from importlib.metadata import version
except ImportError:
    find_spec = version = None
def has(name):
    try:
        return bool(find_spec and find_spec(name))
    except (ImportError, ValueError):
        return False
frameworks = {"unittest": "%d.%d.%d" % sys.version_info[:3]}
if has("pytest"):
    try:
        frameworks["pytest"] = version("pytest")
    except Exception:  # whatever is wrong with its metadata, pytest is there
        frameworks["pytest"] = "unknown"
told = {"version": sys.version_info[:3], "executable": sys.executable, "prefix": sys.prefix}
told.update(base=getattr(sys, "base_prefix", sys.prefix), paths=sys.path, frameworks=frameworks, pip=has("pip"))
print(json.dumps(told))
"""


@frozen
class Interpreter:
    """A Python that can run tests.

    Attributes:
        path: the executable, its links not followed: a virtual environment is recognised by its own.
        source: how it was found, for the user: `setting`, `.venv`, `PATH`.
        frameworks: test frameworks it can import, with versions; always has `unittest`.
        prefix, base_prefix: as `sys` has them; they differ in a virtual environment.
        import_paths: its `sys.path`.
        has_pip: whether `python -m pip` works there.
    """

    path: Path
    version: tuple[int, int, int]
    source: str
    frameworks: Mapping[str, str]
    prefix: Path = Path()
    base_prefix: Path = Path()
    import_paths: tuple[Path, ...] = field(default=(), repr=False)
    has_pip: bool = True

    @property
    def label(self) -> str:
        """`Python 3.12.1 (.venv: /path/python), pytest 8.3.4`."""
        pytest = f", pytest {self.frameworks['pytest']}" if "pytest" in self.frameworks else ", no pytest"
        return f"Python {'.'.join(map(str, self.version))} ({self.source}: {self.path}){pytest}"

    @property
    def environment_prefix(self) -> Path | None:
        """The virtual environment, if it is one."""
        return self.prefix if self.prefix != self.base_prefix else None

    def needs_pytest(self) -> InterpreterError:
        """The error for tests that need pytest where it is missing, with the command that installs it."""
        install = (
            f"{self.path} -m pip install pytest" if self.has_pip else f"uv pip install --python {self.path} pytest"
        )
        return InterpreterError(
            f"The tests need pytest, and {self.path} (found by: {self.source}) does not have it.",
            remedy=f"Run `{install}`, or choose another Python by the setting `python`.",
        )


async def find_interpreter(
    root: Path, target: Path, *, setting: str = "", hint: str = "", environment: Mapping[str, str] | None = None
) -> Interpreter:
    """The user's Python for the tests of `target` in the workspace at `root`.

    Args:
        setting: path of the setting `python`; it is taken, or refused, but never passed over.
        hint: what the editor says is the project's interpreter, if it does.
        environment: this process's own by default.

    Raises:
        ConfigError: it was set to a path in a home that nobody has.
        InterpreterError: none was found, or the one that was set cannot be used.
    """
    values = os.environ if environment is None else environment
    return await to_thread.run_sync(lambda: _find(root, target, setting, hint, values), abandon_on_cancel=True)


def _find(root: Path, target: Path, setting: str, hint: str, environment: Mapping[str, str]) -> Interpreter:
    if setting:
        path = expanded(setting, "`python`")
        path = path if path.is_absolute() else root / path
        if path.is_dir():
            path = _executable(path) or path
        return probe(path, "setting", environment)
    reasons: list[str] = []
    own: Path | None = None
    for path, source, may_be_own in _places(root, target, hint, environment):
        if not may_be_own and _is_own(path):
            own = own or path
            continue
        try:
            return probe(path, source, environment)
        except InterpreterError as error:
            reasons.append(error.what)
    if own is not None:
        return probe(own, "Greenfinch's own environment, for want of another", environment)
    raise InterpreterError(
        "No Python was found to run the tests in." + "".join(f"  {reason}" for reason in reasons),
        remedy="Make a virtual environment in the workspace (`python3 -m venv .venv`), or set `python`.",
    )


def _places(root: Path, target: Path, hint: str, environment: Mapping[str, str]) -> Iterator[tuple[Path, str, bool]]:
    """Executables that exist, with their sources, in order; and whether each may be Greenfinch's own."""

    def of(folder: str | Path, source: str, may_be_own: bool = True) -> Iterator[tuple[Path, str, bool]]:
        path = Path(os.path.expanduser(folder))  # noqa: PTH111 - `~name` of nobody is a place where nothing is
        found = _executable(root / path)
        if found:
            yield found, source, may_be_own

    if hint:
        yield from of(hint, "editor")
    conda = environment.get("CONDA_PREFIX", "")
    conda_is_chosen = environment.get("CONDA_DEFAULT_ENV", "base") != "base"  # `base` is on in every shell
    if environment.get("VIRTUAL_ENV"):
        yield from of(environment["VIRTUAL_ENV"], "VIRTUAL_ENV", False)
    if conda and conda_is_chosen:
        yield from of(conda, "CONDA_PREFIX", False)
    folder = target if target.is_dir() else target.parent
    for place in (folder, *folder.parents):
        for name in (".venv", "venv"):
            if (place / name / "pyvenv.cfg").is_file():
                yield from of(place / name, name)
        if place == root:
            break
    if environment.get("UV_PROJECT_ENVIRONMENT"):
        yield from of(environment["UV_PROJECT_ENVIRONMENT"], "uv")
    poetry = _poetry_environment(root, environment)
    if poetry:
        yield from of(poetry, "poetry")
    if conda and not conda_is_chosen:
        yield from of(conda, "CONDA_PREFIX", False)
    for part in environment.get("PATH", os.defpath).split(os.pathsep):
        for name in ("python3", "python") if part else ():
            found = shutil.which(name, path=part)
            if found:
                yield Path(found), "PATH", False


def _executable(place: Path) -> Path | None:
    """The interpreter of an environment's folder, or `place` itself if it is a file."""
    if place.is_file():
        return place
    for name in ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe"):
        if (place / name).is_file():
            return place / name
    return None


def _is_own(path: Path) -> bool:
    return path.parent.parent.resolve() == Path(sys.prefix).resolve() and sys.prefix != sys.base_prefix


def _poetry_environment(root: Path, environment: Mapping[str, str]) -> str:
    project = root / "pyproject.toml"
    try:
        uses = (root / "poetry.lock").is_file() or "poetry" in tomllib.loads(project.read_text("utf-8")).get("tool", {})
    except (OSError, ValueError):
        uses = False
    program = shutil.which("poetry", path=environment.get("PATH")) if uses else None
    if program is None:
        return ""
    try:
        answer = subprocess.run(  # noqa: S603 - the user's own poetry
            [program, "env", "info", "-p"], cwd=root, env=dict(environment), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=POETRY_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


_answers: dict[tuple[Path, str], tuple[tuple[tuple[str, int], ...], Interpreter]] = {}


def probe(path: Path, source: str, environment: Mapping[str, str] | None = None) -> Interpreter:
    """Ask the interpreter at `path` what it is.

    Raises:
        InterpreterError: it cannot be run, or is older than what is supported.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would leave the virtual environment
    if not path.is_file():
        raise InterpreterError(
            f"There is no Python at {path} ({source}).", remedy="Choose another one by the setting `python`."
        )
    key = (path, (environment or os.environ).get("PYTHONPATH", ""))
    if key in _answers and _answers[key][0] == stamps(path, _answers[key][1].import_paths):
        return evolve(_answers[key][1], source=source)
    try:
        answer = subprocess.run(  # noqa: S603 - the user's own Python
            [path, "-c", _PROBE], env=clean_environment(environment=environment), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=PROBE_SECONDS, check=False, cwd=path.parent,
        )  # fmt: skip
        if answer.returncode != 0:
            raise InterpreterError(
                f"{path} ({source}) does not work: {(answer.stderr.strip().splitlines() or ['no message'])[-1]}.",
                remedy="Choose another Python by the setting `python`.",
            )
        told = json.loads(answer.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise InterpreterError(
            f"{path} ({source}) could not be run as a Python: {error}.",
            remedy="Choose another Python by the setting `python`.",
        ) from error
    major, minor, micro = told["version"]
    if (major, minor) < OLDEST:
        raise InterpreterError(
            f"{path} ({source}) is Python {major}.{minor}; the tests' Python must be {OLDEST[0]}.{OLDEST[1]} or later.",
            remedy="Choose another one by the setting `python`.",
        )
    found = Interpreter(
        path=Path(told["executable"] or path),  # `path` may be a script that chooses, such as a shim
        version=(major, minor, micro),
        source=source,
        frameworks=told["frameworks"],
        prefix=Path(told["prefix"]),
        base_prefix=Path(told["base"]),
        import_paths=tuple(map(Path, told["paths"])),
        has_pip=told["pip"],
    )
    _answers[key] = (stamps(path, found.import_paths), found)
    return found


def stamps(path: Path, import_paths: tuple[Path, ...]) -> tuple[tuple[str, int], ...]:
    """What changes when the interpreter is replaced or a package is installed or removed."""
    stamps = []
    for place in (path, *import_paths):
        try:
            stamps.append((str(place), place.stat().st_mtime_ns))
        except OSError:
            continue
    return tuple(stamps)
