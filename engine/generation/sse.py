"""Server-sent events, as far as the chat-completions protocol uses them."""

from __future__ import annotations


class EventReader:
    """Takes a stream's bytes as they come and gives the `data` of each event that is whole.

    The closing `[DONE]` and comments (a server's sign of life) are left out.  Lines end at line feeds alone: JSON may
    hold U+2028 and its like, where `str.splitlines` would cut it.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def feed(self, block: bytes) -> list[str]:
        """The events that `block` completes."""
        events = []
        *lines, self._rest = (self._rest + block).split(b"\n")
        for line in (raw.rstrip(b"\r").decode("utf-8", "replace") for raw in lines):
            if line.startswith("data:"):
                self._data.append(line[5:].removeprefix(" "))
            elif not line and self._data:
                event, self._data = "\n".join(self._data), []
                if event != "[DONE]":
                    events.append(event)
        return events
