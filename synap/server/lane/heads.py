"""Where the head of a plain request ends, and what its first line says.

What is here in Python is the reference; its compiled twin, ``_heads_c.pyx``, serves where it was built. Both read every
byte of the first line themselves. Of the fields behind it they say only where they are.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

from synap.compiled import twin

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")

LINE_END = b"\r\n"
HEAD_END = b"\r\n\r\n"

_BY_BYTES = {method.encode(): method for method in METHODS}
_LINE = re.compile(rb'(%b) (/[!"$->@-~]*)(?:\?([!"$-~]*))? HTTP/1\.1\r\n' % b"|".join(_BY_BYTES))
"""The target is what llhttp takes for one; without a fragment, which no client sends."""


Head: TypeAlias = tuple[str, bytes, bytes, int, int]
"""Method, path and query, as they came; where the first line ends, and where the head does.

The fields are between these two, with the line ends before and behind them.
"""


def head_in_python(buffer: bytes, max_bytes: int) -> Head | None:
    """The head that a buffer begins with; None where it is not whole, is longer than that, or is none for the lane."""
    line = _LINE.match(buffer)
    if line is None:
        return None
    line_end = line.end() - len(LINE_END)
    end = buffer.find(HEAD_END, line_end) + len(HEAD_END)
    if not line_end < end <= max_bytes:
        return None
    method, path, query = line.groups(b"")
    return _BY_BYTES[method], path, query, line_end, end


_TWIN = twin("synap.server.lane._heads_c")

head_of: Callable[[bytes, int], Head | None] = head_in_python if _TWIN is None else _TWIN.head_of
