"""Server-sent events (WHATWG HTML, section 9.2), as far as a feed of JSON needs them.

A stream is lines; a line is a field, ``name: value``, or a comment, which begins with a colon; an empty line ends a
block. Lines end with LF, CR LF or CR, and may be torn anywhere between two chunks. Here ``data`` and ``id`` count;
``event`` and ``retry`` are ignored, because what kind of event it is stands in the data, and when to come back is
decided by the client.
"""

import re
from dataclasses import dataclass

from synap_sdk._core.values import MalformedAnswerError

BLOCK_MAX_BYTES = 64 * 1024 * 1024
"""A value of 8 MiB of which every byte is escaped in JSON takes 48 MiB, a key of 64 KiB little more."""

_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Block:
    """What stood between two empty lines. ``data`` is None where the block had none, only an ``id``."""

    id: str | None
    data: str | None


class Parser:
    """Chunks of bytes in, blocks out."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0
        self._gathered_bytes = 0
        self._id: str | None = None
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[Block]:
        """The blocks that end in this chunk. Raises ``MalformedAnswerError``."""
        self._rest += chunk
        blocks = [block for line in self._lines() if (block := self._take(line)) is not None]
        if self._gathered_bytes + len(self._rest) > BLOCK_MAX_BYTES:
            raise MalformedAnswerError(f"an event of more than {BLOCK_MAX_BYTES:,} bytes")
        return blocks

    def _lines(self) -> list[bytes]:
        """The lines that are complete; what is left begins the next chunk's first."""
        lines: list[bytes] = []
        start, searched = 0, self._searched
        while (end := _LINE_END.search(self._rest, searched)) is not None:
            # A CR at the very end may be half of a CR LF.
            if end.group() == b"\r" and end.end() == len(self._rest):
                break
            lines.append(bytes(self._rest[start : end.start()]))
            start = searched = end.end()
        del self._rest[:start]
        # What was looked through is not looked through again, or a long line in small chunks would take for ever.
        self._searched = len(self._rest) - 1 if self._rest.endswith(b"\r") else len(self._rest)
        return lines

    def _take(self, line: bytes) -> Block | None:
        """The block that an empty line ends, if it has anything; else the line becomes part of it."""
        if not line:
            return self._end()
        name, _, value = line.partition(b":")
        if name in {b"id", b"data"}:
            self._gathered_bytes += len(value)
            text = _decoded(value.removeprefix(b" "))
            if name == b"id":
                self._id = text
            else:
                self._data.append(text)
        return None

    def _end(self) -> Block | None:
        data = "\n".join(self._data) if self._data else None
        block = None if self._id is None and data is None else Block(self._id, data)
        self._id, self._data, self._gathered_bytes = None, [], 0
        return block


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as cause:
        raise MalformedAnswerError("an event that is not UTF-8") from cause
