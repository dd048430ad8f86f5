"""pygls' protocol with what a server of long jobs needs: every request answered, nothing kept, an orderly end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Generator

    from lsp_server.server import GreenfinchServer


class Protocol(LanguageServerProtocol):
    """The differences from pygls 2.1, each for one reason that stands beside it."""

    _server: GreenfinchServer

    def adopt(self, workspace: Workspace) -> None:
        """Use another workspace than the one that pygls made on `initialize`."""
        self._workspace = workspace

    def forget(self, msg_id: str) -> None:
        """Stop waiting for the client's answer to a request."""
        self._request_futures.pop(msg_id, None)
        self._result_types.pop(msg_id, None)

    @property
    def is_shut_down(self) -> bool:
        return self._shutdown

    def structure_message(self, data: dict[str, Any]) -> Any:
        # pygls only logs a request that it cannot read; its sender would wait for ever.
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "id" in data and "method" in data:
                self._send_response(data["id"], error=error.to_response_error())
            raise

    def handle_message(self, message: Any) -> None:
        # pygls answers before `initialize` as if all were well, begins anew at a second one and forgets the documents,
        # and leaves requests after `shutdown` without an answer.  LSP names an error for each.
        method = getattr(message, "method", None)
        in_order = (method == types.INITIALIZE) == (self._workspace is None) and not self._shutdown
        if method is None or method == types.EXIT or in_order:
            super().handle_message(message)
        elif (msg_id := getattr(message, "id", None)) is not None:
            self._send_response(msg_id, error=self._out_of_order(method))

    def _out_of_order(self, method: str) -> types.ResponseError:
        if self._shutdown:
            return types.ResponseError(types.ErrorCodes.InvalidRequest, "the server was told to shut down")
        if method == types.INITIALIZE:
            return types.ResponseError(types.ErrorCodes.InvalidRequest, "the server is initialized already")
        return types.ResponseError(types.ErrorCodes.ServerNotInitialized, "the first request has to be `initialize`")

    def _execute_handler(
        self,
        msg_id: str | int,
        handler: Callable[..., Any],
        callback: Callable[[Future[Any]], None],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        # pygls keeps the future of a handler that another one yielded to (commands are run so) for ever.
        def done(future: Future[Any]) -> None:
            self._request_futures.pop(msg_id, None)
            callback(future)

        super()._execute_handler(msg_id, handler, done, args, kwargs)

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *args: Any) -> Generator[Any, Any, None]:
        # pygls walks over the dictionary of its futures while cancelling them removes them from it, and cancels the
        # server's own requests, too, which strikes the tasks that wait for them in the guise of a cancellation.
        if (handler := self.fm.features.get(types.SHUTDOWN)) is not None:
            yield handler, args, None
        own = self.msg_id
        for msg_id, future in list(self._request_futures.items()):
            if msg_id != own and msg_id not in self._result_types and not future.done():
                future.cancel()
        self._shutdown = True

    @lsp_method(types.EXIT)
    def lsp_exit(self, *args: Any) -> Generator[Any, Any, None]:
        # pygls raises SystemExit from inside the event loop, past everything that still has to be cleaned up.
        self._server.stop()
        yield from ()
