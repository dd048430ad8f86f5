"""Settings, declared once.

The command line, the environment, the user's file and the four editors all mean the same names.  What a field is for
stands in its `help`; `python -m engine.settings_docs --write` brings the docs and the editors' own declarations into
line with it, `--check` says which of them are not.  What is run, reached or opened is never set by a workspace's own
files: that is its user's business, not a checkout's.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cattrs
import platformdirs
from attrs import Attribute, evolve, field, fields, frozen, validators

from engine.errors import ConfigError

SANDBOX_LEVELS = ("full", "partial", "limits-only")  # from the strongest on
STRATEGIES = ("greedy", "best-of-n", "plan+repair", "full")


def _finite(_settings: object, attribute: Attribute[Any], value: Any) -> None:
    if not math.isfinite(value):
        raise ValueError(f"'{attribute.name}' must be a finite number: {value}")


def _setting(
    default: Any, help: str, *, choices: tuple[str, ...] = (), least: float | None = None, most: float | None = None,
    local: bool = False,
) -> Any:  # fmt: skip
    """Declare a setting.

    Args:
        least, most: the smallest and the largest number that is allowed.
        local: it names what runs, what is reached or what is open on this machine, so that an editor must not take it
            from a workspace's own files.
    """
    checks: list[Any] = []
    if isinstance(default, float):
        checks.append(_finite)
    if choices:
        checks.append(validators.in_(choices))
    if least is not None:
        checks.append(validators.ge(least))
    if most is not None:
        checks.append(validators.le(most))
    told = {"help": help, "choices": choices, "least": least, "most": most, "local": local}
    return field(default=default, validator=checks, metadata=told)


@frozen
class Settings:
    """Everything a user can set.  Unknown names and values of a wrong type are refused with a `ConfigError`."""

    model: str = _setting(
        "auto", "Model to use: a name from `greenfinch models list`, the path of a GGUF file, or auto.", local=True
    )
    endpoint: str = _setting(
        "",
        "Base URL of an OpenAI-compatible server to use instead of the local host, such as http://gpu-box:8000/v1.",
        local=True,
    )
    endpoints: tuple[str, ...] = _setting(
        (),
        "Several such servers, as a pool that shares the samples of a run; `unix:/path` is one on a Unix socket.  "
        "What a server that goes away has begun is sampled again on another.",
        local=True,
    )
    last_resort: str = _setting(
        "local",
        "What samples when none of `endpoints` can be used. `local`: this machine's own model host. `none`: nothing.",
        choices=("local", "none"),
        local=True,
    )
    endpoint_key_env: str = _setting(
        "",
        "Name of the environment variable that holds the endpoint's key; all of `endpoints` get the same.",
        local=True,
    )
    python: str = _setting(
        "", "Python that runs your tests; empty: found from the editor, the environment and .venv.", local=True
    )
    strategy: str = _setting("full", "How candidates are searched for.", choices=STRATEGIES)
    candidates: int = _setting(64, "At most this many candidates are tried in one run.", least=1)
    budget_seconds: float = _setting(120.0, "A run ends after this many seconds without a winner.", least=1)
    budget_tokens: int = _setting(0, "A run samples no more than this many tokens; 0: no bound.", least=0)
    budget_wh: float = _setting(
        0.0, "A run ends when it has used this many watt-hours, as measured or estimated; 0: no bound.", least=0
    )
    larger_model: str = _setting(
        "",
        "A second, larger model that is asked at the end of a search that found nothing: its name, or a GGUF file.",
        local=True,
    )
    temperature: float = _setting(0.8, "Sampling temperature of all candidates but the first; 0 to 2.", least=0, most=2)
    comments: bool = _setting(
        False, "Let the strategy `full` sample candidates with comments, which make them about half as long again."
    )
    max_tokens: int = _setting(512, "At most this many tokens are sampled for one function.", least=16)
    context_tokens: int = _setting(8192, "Context of the model host, shared by its candidates.", least=512)
    threads: int = _setting(0, "Threads of the model host; 0: chosen for the machine.", least=0)
    host_idle_minutes: float = _setting(10.0, "The model host ends after this many minutes without work.", least=0)
    test_timeout_seconds: float = _setting(
        10.0, "Least time limit of one test; slow tests get a multiple of their own time.", least=1
    )
    test_memory_mb: int = _setting(2048, "Address space that one test process may use, in MiB.", least=64)
    test_args: tuple[str, ...] = _setting((), "More arguments for pytest.", local=True)
    test_command: str = _setting(
        "",
        "Your own test command, where tests do not run by pytest or unittest alone, such as "
        "`tox -q -- --junitxml={junit}`; `{junit}` is where its JUnit XML goes.  Its report is trusted.",
        local=True,
    )
    test_command_xml: str = _setting(
        "", "Where test_command writes its JUnit XML if it cannot be told, such as `reports/*.xml`.", local=True
    )
    sandbox_least: str = _setting(
        "partial",
        "The weakest sandbox that tests may run in; below it nothing runs. `full`: only programs and the workspace are "
        "seen, nothing is written, no network. `partial`: the same as far as it goes without user namespaces. "
        "`limits-only`: a copy of the workspace, time limits; your files and network are open to generated code.",
        choices=SANDBOX_LEVELS,
        local=True,
    )
    test_env: tuple[str, ...] = _setting(
        (), "Names of environment variables that tests get although they look like secrets.", local=True
    )
    test_read: tuple[str, ...] = _setting(
        (), "More files and folders that tests may read, such as a data folder.", local=True
    )
    test_write: tuple[str, ...] = _setting((), "Files and folders that tests may change for good.", local=True)
    test_network: str = _setting(
        "none",
        "`none`: tests have a loopback of their own at most. `host`: the machine's network, as for a database on it.",
        choices=("none", "host"),
        local=True,
    )
    code_lens: bool = _setting(False, "Show above each stub how many tests mention it; a click implements it.")
    prepare_on_menu: bool = _setting(
        True,
        "When you open the menu of code actions on a stub, load the model, run the tests as they are and have the "
        "prompt read, so that a run begins sooner. Never for an endpoint, nor in a workspace that is not trusted.",
    )
    confirm_edit: bool = _setting(
        False, "Ask before a verified edit is applied, with a preview, in editors that can show one."
    )
    cpu_watts: float = _setting(
        10.0, "Power of one busy core in watts, for the energy estimate where no meter can be read.", least=0
    )
    gpu_watts: float = _setting(
        150.0, "Power in watts of a GPU that works on the model, for the same estimate.", least=0
    )
    price_per_kwh: float = _setting(
        0.0,
        "What you pay for a kilowatt-hour, to tell the cost of runs in money; 0: watt-hours alone are told.",
        least=0,
    )
    currency: str = _setting("EUR", "Currency of that price.")
    records_mb: float = _setting(
        200.0, "Megabytes that the records of all runs may take together; the oldest make room.", least=1
    )

    @property
    def servers(self) -> tuple[str, ...]:
        """All servers that are set instead of the local host, `endpoint` first; empty: the local host is meant."""
        return tuple(dict.fromkeys(filter(None, (self.endpoint, *self.endpoints))))

    @property
    def stands_in(self) -> bool:
        """Whether the local host is the last resort of servers: of a pool's, never of a single `endpoint`."""
        return bool(self.endpoints) and self.last_resort == "local"

    @classmethod
    def load(
        cls, environment: Mapping[str, str] | None = None, *, refused: Callable[[ConfigError], None] | None = None
    ) -> Settings:
        """Defaults, then the user's file, then the environment (`GREENFINCH_MODEL` and so on).

        Args:
            refused: told of whatever cannot be used, while the rest counts; without it, that is an error.

        Raises:
            ConfigError: naming the file or variable, and the setting.
        """
        entries: list[tuple[str, str, Any]] = []
        problems: list[ConfigError] = []
        file = user_file()
        try:
            entries += [(str(file), name, value) for name, value in _values_of(file).items()]
        except ConfigError as error:
            problems.append(error)
        environment = os.environ if environment is None else environment
        for attribute in fields(cls):
            variable = f"GREENFINCH_{attribute.name.upper()}"
            if variable in environment:
                entries.append((variable, attribute.name, _from_text(attribute, environment[variable])))
        settings = cls()
        for source, name, value in entries:
            try:
                settings = settings.updated({name: value}, source=source)
            except ConfigError as error:
                problems.append(error)
        for problem in problems:
            if refused is None:
                raise problem
            refused(problem)
        return settings

    def updated(self, values: Mapping[str, Any], *, source: str) -> Settings:
        """A copy with `values` in place; None means "as it is".

        Raises:
            ConfigError: for an unknown name or an unusable value, naming `source`.
        """
        known: dict[str, Attribute[Any]] = {attribute.name: attribute for attribute in fields(type(self))}
        changes: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise ConfigError(
                    f"{source}: there is no setting {name!r}.", remedy=f"The settings are: {', '.join(known)}."
                )
            if value is None:
                continue
            try:
                changes[name] = _convert(value, known[name])
            except (TypeError, ValueError) as error:
                raise ConfigError(
                    f"{source}: {name} cannot be {value!r}.", remedy=known[name].metadata["help"]
                ) from error
        try:
            return evolve(self, **changes)
        except ValueError as error:
            bad = ", ".join(f"{name} = {value!r}" for name, value in changes.items())
            raise ConfigError(f"{source}: {bad} is out of range.", remedy=str(error.args[0])) from error


def user_file() -> Path:
    """Where the user's own settings are read from, whether or not it exists."""
    return Path(os.environ.get("GREENFINCH_CONFIG") or platformdirs.user_config_path("greenfinch") / "config.toml")


def _values_of(file: Path) -> dict[str, Any]:
    """What the user's file sets; nothing if there is none.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}.", remedy="Mend or remove the file.") from error
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror or error}.",
            remedy="Check its permissions, or name another file by GREENFINCH_CONFIG.",
        ) from error


def _convert(value: Any, attribute: Attribute[Any]) -> Any:
    kind = str(attribute.type)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind.startswith("tuple"):
        if isinstance(value, str) or not all(isinstance(item, str) for item in value):
            raise TypeError(value)
        return tuple(value)
    wanted = {"str": str, "int": int, "float": float, "bool": bool}[kind]
    if type(value) is not wanted:
        raise TypeError(value)
    return value


def _from_text(attribute: Attribute[Any], text: str) -> Any:
    kind = str(attribute.type)
    if kind.startswith("tuple"):
        return tuple(text.split())
    if kind == "str":
        return text
    if kind == "bool":
        return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}.get(text.lower(), text)
    try:
        return cattrs.structure(text, {"int": int, "float": float}[kind])
    except ValueError:
        return text  # refused by `updated`, which names the variable
