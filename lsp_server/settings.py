"""The user's settings, from wherever this client keeps them.

Later layers win: the user's file and environment (`engine.config`), the client's initializationOptions, and its
configuration (`workspace/configuration` where the client has it, else what `workspace/didChangeConfiguration` brings).
A job asks for the configuration of its own folder: the folders of one window may differ in it.  A name or value that
cannot be used is told to the user once, and the rest counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anyio
from attrs import frozen
from lsprotocol.types import MessageType

from engine.config import Settings
from engine.errors import ConfigError
from lsp_server.client import Client

SECTION = "greenfinch"
_READY_SECONDS = 2.0
# VS Code keeps the extension's own settings in the server's section; the others are initializationOptions only.
_EDITORS_OWN = {"trace", "server", "python_hint", "status_notifications", "trusted", "previews_edits"}


@frozen
class FolderSettings:
    """What counts in one folder.

    Attributes:
        python_hint: the interpreter that the editor has chosen for it, or empty.
    """

    settings: Settings
    python_hint: str


class ClientSettings:
    """Settings as they are now.

    Attributes:
        current: the window's settings; a job runs with those `in_folder`.
        python_hint: the interpreter that the editor has chosen for the workspace, or empty.
        trusted: whether code of the workspace may be run.
        wants_status: whether the client asked for `greenfinch/status`.
        previews_edits: whether it previews edits that need confirmation, and asks `greenfinch.holds` before it applies
            one.
        on_change: called when any of these may have changed.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._base = Settings()
        self._options: Mapping[str, Any] = {}
        self._answered: Mapping[str, Any] = {}
        self._pushed: Mapping[str, Any] = {}
        self._told: set[str] = set()
        self._started = anyio.Event()
        self._fetching = anyio.Lock()
        self.current = self._base
        self.python_hint = ""
        self.trusted = True
        self.wants_status = False
        self.previews_edits = False
        self.on_change: Callable[[], None] = lambda: None

    def start(self, options: Any) -> None:
        """Take the user's own settings and the client's initializationOptions; nothing is sent yet."""
        self._base = Settings.load(refused=self._warn)
        values = _section(options)
        self._options = _mapping(options) if values is None else values
        # Clients put the section around the settings, and these beside it or into it.
        levels = (self._options, _mapping(options))
        self.python_hint = next((str(level["python_hint"]) for level in levels if level.get("python_hint")), "")
        self.trusted = all(level.get("trusted") is not False for level in levels)
        self.wants_status = any(level.get("status_notifications") is True for level in levels)
        self.previews_edits = any(level.get("previews_edits") is True for level in levels)
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
            self._pushed = values
            self._merge()
        await self._fetch()

    async def ready(self) -> Settings:
        """The settings, once the client had time to send its own."""
        with anyio.move_on_after(_READY_SECONDS):
            await self._started.wait()
            async with self._fetching:
                pass
        return self.current

    async def in_folder(self, uri: str) -> FolderSettings:
        """What counts in a folder, by its uri: what its client says of it, or else of the window.  One request."""
        await self.ready()
        answer = await self._client.configuration(SECTION, "python", scope=uri)
        if answer is None:
            return FolderSettings(self.current, self.python_hint)
        own, python = answer
        # An empty answer means that nothing is set there, but not of a client that never answers with anything.
        says_so = isinstance(own, Mapping) and (own or self._answered)
        settings = self._layered(_mapping(own)) if says_so else self.current
        return FolderSettings(settings, _interpreter(_mapping(python)) or self.python_hint)

    async def _fetch(self) -> None:
        async with self._fetching:
            answer = await self._client.configuration(SECTION, "python")
        if answer is None:
            return
        own, python = (_mapping(values) for values in answer)
        self._answered = own
        self.python_hint = _interpreter(python) or self.python_hint
        self._merge()

    def _merge(self) -> None:
        self.current = self._layered(self._answered or self._pushed)
        self.on_change()

    def _layered(self, configuration: Mapping[str, Any]) -> Settings:
        settings = self._base
        for source, layer in (("initializationOptions", self._options), ("configuration", configuration)):
            for name, value in layer.items():
                if name in _EDITORS_OWN:
                    continue
                try:
                    settings = settings.updated({name: value}, source=f"{SECTION} ({source})")
                except ConfigError as error:
                    self._warn(error)
        return settings

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
