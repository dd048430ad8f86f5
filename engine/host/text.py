"""From bytes to text that may be shown: whole characters, and nothing of a stop string."""

from __future__ import annotations

import codecs


class TextStream:
    """Turns the bytes of one sample's tokens into text, as early as it is certain.

    Bytes of an unfinished character are held back, and so is text that may turn out to begin a stop string.
    """

    def __init__(self, stop: tuple[str, ...] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = tuple(s for s in stop if s)
        self._held = ""
        self.stopped = False

    def feed(self, data: bytes) -> str:
        """Text that is certain now.  Once a stop string has appeared, `stopped` is set and no more text comes."""
        return self._take(self._decoder.decode(data))

    def finish(self) -> str:
        """What was held back, when no more bytes come."""
        text = self._take(self._decoder.decode(b"", final=True))
        text, self._held = text + self._held, ""
        return text

    def _take(self, text: str) -> str:
        if self.stopped:
            return ""
        text = self._held + text
        found = [at for at in (text.find(s) for s in self._stop) if at >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        keep = max((_overlap(text, s) for s in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
