"""The user's settings, from wherever this client keeps them.

Later layers win: the user's file and environment (`engine.config`), the client's initializationOptions, and its
configuration (`workspace/configuration` where the client has it, else what `workspace/didChangeConfiguration` brings).
A name or value that cannot be used is told to the user once, and the rest counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anyio
from lsprotocol.types import MessageType

from engine.config import Settings
from engine.errors import ConfigError
from lsp_server.client import Client

SECTION = "greenfinch"
_READY_SECONDS = 2.0
# VS Code keeps the extension's own settings in the server's section; the others are initializationOptions only.
_EDITORS_OWN = {"trace", "server", "python_hint", "status_notifications", "trusted"}


class ClientSettings:
    """Settings as they are now.

    Attributes:
        current: what the next job runs with.
        python_hint: the interpreter that the editor has chosen for the workspace, or empty.
        trusted: whether code of the workspace may be run.
        wants_status: whether the client asked for `greenfinch/status`.
        on_change: called when any of these may have changed.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._base = Settings()
        self._options: Mapping[str, Any] = {}
        self._configuration: Mapping[str, Any] = {}
        self._told: set[str] = set()
        self._started = anyio.Event()
        self._fetching = anyio.Lock()
        self.current = self._base
        self.python_hint = ""
        self.trusted = True
        self.wants_status = False
        self.on_change: Callable[[], None] = lambda: None

    def start(self, options: Any) -> None:
        """Take the user's own settings and the client's initializationOptions; nothing is sent yet."""
        try:
            self._base = Settings.load()
        except ConfigError as error:
            self._warn(error)
        values = _section(options)
        self._options = _mapping(options) if values is None else values
        self.python_hint = str(self._options.get("python_hint") or "")
        self.trusted = self._options.get("trusted") is not False
        self.wants_status = self._options.get("status_notifications") is True
        self._merge()

    def trust(self, trusted: bool) -> None:
        """The user has said whether code of the workspace may be run."""
        self.trusted = trusted
        self.on_change()

    async def refresh(self) -> None:
        """Ask the client for its configuration, and for word when that changes."""
        try:
            await self._fetch()
        finally:
            self._started.set()
        await self._client.watch_configuration()

    async def changed(self, pushed: Any) -> None:
        """The client says that its configuration has changed; `pushed` may hold it."""
        values = _section(pushed)
        if values is not None:
            self._configuration = values
            self._merge()
        await self._fetch()

    async def ready(self) -> Settings:
        """The settings, once the client had time to send its own."""
        with anyio.move_on_after(_READY_SECONDS):
            await self._started.wait()
            async with self._fetching:
                pass
        return self.current

    async def hint_for(self, scope: str) -> str:
        """The interpreter that the editor has chosen for a folder, by its uri; or else for the workspace, or empty."""
        answer = await self._client.configuration("python", scope=scope)
        return (_interpreter(_mapping(answer[0])) if answer else "") or self.python_hint

    async def _fetch(self) -> None:
        async with self._fetching:
            answer = await self._client.configuration(SECTION, "python")
        if answer is None:
            return
        own, python = (_mapping(values) for values in answer)
        if own:
            self._configuration = own
        self.python_hint = _interpreter(python) or self.python_hint
        self._merge()

    def _merge(self) -> None:
        settings = self._base
        for source, layer in (("initializationOptions", self._options), ("configuration", self._configuration)):
            for name, value in layer.items():
                if name in _EDITORS_OWN:
                    continue
                try:
                    settings = settings.updated({name: value}, source=f"{SECTION} ({source})")
                except ConfigError as error:
                    self._warn(error)
        self.current = settings
        self.on_change()

    def _warn(self, error: ConfigError) -> None:
        if str(error) not in self._told:
            self._told.add(str(error))
            self._client.tell(str(error), MessageType.Warning)


def _interpreter(python: Mapping[str, Any]) -> str:
    hint = python.get("defaultInterpreterPath") or python.get("pythonPath")
    return hint if isinstance(hint, str) and hint != "python" else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _section(value: Any) -> Mapping[str, Any] | None:
    inner = _mapping(value).get(SECTION)
    return inner if isinstance(inner, Mapping) else None
