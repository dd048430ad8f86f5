"""A small editor for tests: speaks to the real server process, keeps documents, and applies edits as editors do.

It refuses an edit whose version is not the document's, keeps text in code points whatever encoding it agreed on, and
records what the server shows its user.  As Neovim it does with edits what Neovim's own client does.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from lsprotocol import types
from pygls.protocol import default_converter
from pytest_lsp import ClientServerConfig, LanguageClient
from pytest_lsp.client import register_lsp_features

from lsp_server.documents import offset_at, position_at

SERVE = (str(Path(sys.executable).with_name("greenfinch")), "serve")
Encodings = types.PositionEncodingKind
_NEOVIM_GATHERS = 0.15  # seconds from a change to its notification, which takes all changes until then along


def capabilities(**changes: Any) -> types.ClientCapabilities:
    """What a modern editor says it can do; `changes` are dotted names with `__` for the dots."""
    everything = types.ClientCapabilities(
        general=types.GeneralClientCapabilities(position_encodings=[Encodings.Utf16]),
        window=types.WindowClientCapabilities(
            work_done_progress=True, show_document=types.ShowDocumentClientCapabilities(support=True)
        ),
        workspace=types.WorkspaceClientCapabilities(
            apply_edit=True,
            configuration=True,
            workspace_edit=types.WorkspaceEditClientCapabilities(
                document_changes=True, change_annotation_support=types.ChangeAnnotationsSupportOptions()
            ),
        ),
        text_document=types.TextDocumentClientCapabilities(
            code_action=types.CodeActionClientCapabilities(
                disabled_support=True,
                code_action_literal_support=types.ClientCodeActionLiteralOptions(
                    code_action_kind=types.ClientCodeActionKindOptions(value_set=[])
                ),
            )
        ),
    )
    for dotted, value in changes.items():
        *path, name = dotted.split("__")
        target: Any = everything
        for step in path:
            target = getattr(target, step)
        setattr(target, name, value)
    return everything


class Editor:
    """One editor window.

    Attributes:
        texts, versions: of the open documents, by uri.
        edits: every edit that the server asked for.
        answers: how to answer the next edits; an answer of None never comes.
        before_edit, after_edit: called when an edit has come, before it is looked at, and once it is applied.
        confirm: whether the user agrees to an edit that needs confirmation, which its preview shows to them.
        is_neovim: it begins with version 0, gathers changes before it sends them, and drops an edit of an older version
            than its own (of any but version 0) with the answer that it is applied.
    """

    def __init__(self, client: LanguageClient, root: Path, *, is_neovim: bool = False) -> None:
        self.client = client
        self.root = root
        self.is_neovim = is_neovim
        self._gathered: dict[str, list[types.TextDocumentContentChangeEvent]] = {}
        self.encoding: str = Encodings.Utf16
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.edits: list[types.ApplyWorkspaceEditParams] = []
        self.answers: list[types.ApplyWorkspaceEditResult | None] = []
        self.closing = asyncio.Event()
        self.registered: list[str] = []
        self.before_edit: Callable[[], None] = lambda: None
        self.after_edit: Callable[[], None] = lambda: None
        self.confirm: Callable[[], Awaitable[bool]] = _agrees

        @client.feature(types.WORKSPACE_APPLY_EDIT)
        async def apply(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
            return await self._apply(params)

        @client.feature(types.CLIENT_REGISTER_CAPABILITY)
        def register(params: types.RegistrationParams) -> None:
            self.registered += [registration.method for registration in params.registrations]

    @property
    def pid(self) -> int:
        assert self.client._server is not None
        return self.client._server.pid

    @property
    def messages(self) -> list[str]:
        return [shown.message for shown in self.client.messages]

    @property
    def progress(self) -> list[Any]:
        """All progress values, in the order in which their displays were begun."""
        return [value for values in self.client.progress_reports.values() for value in values]

    def uri(self, name: str) -> str:
        return Path(os.path.normpath(self.root / name)).as_uri()

    def open(self, name: str, text: str | None = None) -> str:
        """Open a file, with other text than the disk's where given; its uri."""
        uri = self.uri(name)
        self.texts[uri] = (self.root / name).read_bytes().decode() if text is None else text
        self.versions[uri] = 0 if self.is_neovim else 1
        item = types.TextDocumentItem(uri, "python", self.versions[uri], self.texts[uri])
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return uri

    def type(self, uri: str, old: str, new: str) -> None:
        """Replace the first `old` of an open document, as typing there would."""
        start = self.texts[uri].index(old)
        self._change(uri, start, start + len(old), new)

    def replace_all(self, uri: str, text: str) -> None:
        """Send a whole new text, as some editors do."""
        self.texts[uri] = text
        self._send(uri, types.TextDocumentContentChangeWholeDocument(text))

    def position(self, uri: str, marker: str) -> types.Position:
        """Where `marker` begins, in this editor's encoding."""
        return position_at(self.texts[uri], self.texts[uri].index(marker), self.encoding)

    async def actions(
        self, uri: str, marker: str, only: list[str] | None = None, trigger: types.CodeActionTriggerKind | None = None
    ) -> list[types.CodeAction]:
        self.send_changes()
        position = self.position(uri, marker)
        context = types.CodeActionContext(diagnostics=[], only=only, trigger_kind=trigger)
        params = types.CodeActionParams(types.TextDocumentIdentifier(uri), types.Range(position, position), context)
        return list(await self.client.text_document_code_action_async(params) or [])

    async def action(self, uri: str, marker: str, title: str) -> types.CodeAction:
        """The first action at `marker` whose title contains `title`."""
        return next(action for action in await self.actions(uri, marker) if title in action.title)

    async def choose(self, action: types.CodeAction) -> Any:
        """Run an action, as a click on it would."""
        assert action.command is not None, action
        return await self.run(action.command.command, *(action.command.arguments or []))

    async def run(self, command: str, *arguments: Any) -> Any:
        self.send_changes()
        answer = await self.client.workspace_execute_command_async(types.ExecuteCommandParams(command, list(arguments)))
        return _plain(answer)

    async def ended(self, job: str) -> dict[str, Any]:
        """Wait until a job is over; how it ended."""
        while True:
            status = await self.run("greenfinch.status")
            found = next(each for each in status["jobs"] if each["job"] == job)
            if found["state"] != "running":
                return found
            await anyio.sleep(0.05)

    async def until(self, condition: Callable[[], Any], seconds: float = 20) -> Any:
        """Wait for something that this editor will be told."""
        with anyio.fail_after(seconds):
            while not (value := condition()):  # noqa: ASYNC110 - any condition, not one event
                await anyio.sleep(0.01)
        return value

    async def exit(self) -> int:
        """Shut the server down in an orderly way; its exit status."""
        await self.client.shutdown_async(None)
        self.client.exit(None)
        assert self.client._server is not None
        return await self.client._server.wait()

    def _change(self, uri: str, start: int, end: int, new: str) -> None:
        text = self.texts[uri]
        span = types.Range(position_at(text, start, self.encoding), position_at(text, end, self.encoding))
        self.texts[uri] = text[:start] + new + text[end:]
        self._send(uri, types.TextDocumentContentChangePartial(range=span, text=new))

    def _send(self, uri: str, change: types.TextDocumentContentChangeEvent) -> None:
        self.versions[uri] += 1
        self._gathered.setdefault(uri, []).append(change)
        if self.is_neovim:
            asyncio.get_running_loop().call_later(_NEOVIM_GATHERS, self.send_changes)
        else:
            self.send_changes()

    def send_changes(self) -> None:
        """Send what has been gathered, as Neovim does before each request."""
        for uri, changes in self._gathered.items():
            identifier = types.VersionedTextDocumentIdentifier(self.versions[uri], uri)
            self.client.text_document_did_change(types.DidChangeTextDocumentParams(identifier, changes))
        self._gathered = {}

    async def _apply(self, params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
        self.edits.append(params)
        if self.answers:
            answer = self.answers.pop(0)
            if answer is None:
                await self.closing.wait()
            return answer or types.ApplyWorkspaceEditResult(applied=False)
        annotations = (params.edit.change_annotations or {}).values()
        if any(annotation.needs_confirmation for annotation in annotations) and not await self.confirm():
            return types.ApplyWorkspaceEditResult(applied=False, failure_reason="it was declined")
        self.before_edit()
        changes: dict[str, list[Any]] = {uri: list(edits) for uri, edits in (params.edit.changes or {}).items()}
        for change in params.edit.document_changes or []:
            assert isinstance(change, types.TextDocumentEdit)
            version, mine = change.text_document.version, self.versions.get(change.text_document.uri)
            if self.is_neovim:
                if version and mine is not None and mine > version:
                    return types.ApplyWorkspaceEditResult(applied=True)
            elif version is not None and version != mine:
                return types.ApplyWorkspaceEditResult(applied=False, failure_reason="the document has changed")
            changes[change.text_document.uri] = list(change.edits)
        for uri, edits in changes.items():
            text = self.texts[uri]
            spans = [
                (offset_at(text, e.range.start, self.encoding), offset_at(text, e.range.end, self.encoding), e.new_text)
                for e in edits
            ]
            for start, end, new in sorted(spans, reverse=True):
                self._change(uri, start, end, new)
        self.after_edit()
        return types.ApplyWorkspaceEditResult(applied=True)


async def _agrees() -> bool:
    return True


def _plain(value: Any) -> Any:
    """pygls hands a command's result over as nested named tuples."""
    if hasattr(value, "_asdict"):
        return {name: _plain(item) for name, item in value._asdict().items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _converter() -> Any:
    """pygls' converter, except that a code action which carries a command stays a code action."""
    converter = default_converter()

    def structure(value: Any, _type: Any) -> types.CodeAction | types.Command:
        is_command = isinstance(value.get("command"), str)
        return converter.structure(value, types.Command if is_command else types.CodeAction)

    converter.register_structure_hook(types.Command | types.CodeAction, structure)
    return converter


@asynccontextmanager
async def editor(
    root: Path,
    client_capabilities: types.ClientCapabilities | None = None,
    *,
    environment: dict[str, str] | None = None,
    options: dict[str, Any] | None = None,
    configuration: dict[str, Any] | None = None,
    arguments: tuple[str, ...] = (),
    wrapper: tuple[str, ...] = (),
    folders: bool = True,
    name: str = "",
) -> AsyncIterator[Editor]:
    """An editor with `root` as its workspace folder, its server started and initialized, and ended with the block."""

    class Client(LanguageClient):
        async def start_io(self, cmd: str, *args: Any, **kwargs: Any) -> None:
            await super().start_io(cmd, *args, cwd=root, **kwargs)  # as editors start servers

    def client_factory() -> LanguageClient:
        made = Client(converter_factory=_converter, configuration={"": {"greenfinch": configuration or {}}})
        register_lsp_features(made)
        return made

    private = {"XDG_CACHE_HOME": str(root.parent / "cache"), "XDG_STATE_HOME": str(root.parent / "state")}
    private |= {"XDG_CONFIG_HOME": str(root.parent / "config")}
    config = ClientServerConfig(
        server_command=[*wrapper, *SERVE, *arguments],
        client_factory=client_factory,
        server_env={**os.environ, **private, **(environment or {})},
    )
    client = await config.start()
    window = Editor(client, root, is_neovim=name == "Neovim")
    try:
        result = await client.initialize_session(
            types.InitializeParams(
                capabilities=client_capabilities if client_capabilities is not None else capabilities(),
                workspace_folders=[types.WorkspaceFolder(root.as_uri(), root.name)] if folders else None,
                client_info=types.ClientInfo(name) if name else None,
                initialization_options={"python": sys.executable, **(options or {})},
            )
        )
        window.encoding = result.capabilities.position_encoding or Encodings.Utf16
        yield window
    finally:
        server = client._server
        assert server is not None
        window.closing.set()
        if server.returncode is None:
            with anyio.move_on_after(10, shield=True):
                await window.exit()
        if server.returncode is None:
            server.kill()
        await client.stop()
