"""Server-sent events from bytes (WHATWG HTML, section 9.2), for streams read through an SDK's raw-response path.

The SDKs' own decoders build a model object per token: 67 microseconds against 5 for `json.loads` on the raw line.
"""

from __future__ import annotations

from collections.abc import Iterator

_LONGEST_EVENT = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class SSEDecoder:
    """Feed it chunks as they arrive; it gives the data of every complete event. Comments are dropped.

    Lines end with LF, CRLF or a lone CR. A byte order mark before the first line is not part of it.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._started = False
        self._half_end = False
        self.name = b""
        """What `event:` called the event that was given last."""
        self._name = b""
        self.seen_event = False
        """Whether anything looked like an event at all; HTML and plain JSON never do."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the data of each event that *chunk* completes.

        Raises:
            ValueError: A single event is longer than 16 MiB.
        """
        if not self._started and not (chunk := self._without_mark(chunk)):
            return
        if b"\r" in chunk or self._half_end:
            chunk = self._with_line_feeds(chunk)
        if b"\n" not in chunk:  # part of a long line, such as a whole body in one: copied once, not once a part
            self._rest += chunk
            lines = []
        else:
            *lines, rest = (bytes(self._rest + chunk) if self._rest else chunk).split(b"\n")
            self._rest = bytearray(rest)
        if len(self._rest) > _LONGEST_EVENT:
            raise ValueError("one event is longer than 16 MiB")
        for line in lines:
            if line.startswith(b"data:"):
                self.seen_event = True
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line.startswith(b"event:"):
                self._name = line[6:].strip()
            elif not line and self._data:
                self.name, self._name = self._name, b""
                yield self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                self._data.clear()

    def flush(self) -> Iterator[bytes]:
        """Yield an event whose closing blank line never came; some servers leave it out at the end."""
        yield from self.feed(b"\n\n")

    def _without_mark(self, chunk: bytes) -> bytes:
        """*chunk* without a byte order mark, once it is known whether there is one."""
        begun = bytes(self._rest + chunk)
        if len(begun) < len(_BOM) and _BOM.startswith(begun):
            self._rest = bytearray(begun)
            return b""
        self._started = True
        self._rest.clear()
        return begun.removeprefix(_BOM)

    def _with_line_feeds(self, chunk: bytes) -> bytes:
        """*chunk* with every line ended by LF alone; a CR at its very end waits, since its LF may be still to come."""
        if self._half_end:
            chunk = b"\r" + chunk
        self._half_end = chunk.endswith(b"\r")
        if self._half_end:
            chunk = chunk[:-1]
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
