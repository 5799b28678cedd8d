"""Percent-encoding: decoded once, strictly, and nothing is normalised.

A key may hold any character, "/", "." and ".." too, so a path is split at its raw slashes first and each
segment is decoded afterwards. A "%" without two hexadecimal digits is refused: passed through, it would name
another key than the client meant.
"""

import re
from urllib.parse import unquote_to_bytes

from synap.errors import MalformedRequestError

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)


def decode(encoded: bytes, field: str) -> bytes:
    """The octets that ``encoded`` stands for; ``field`` names the part of the request for the error."""
    if b"%" not in encoded:
        return encoded
    broken = _BROKEN_ESCAPE.search(encoded)
    if broken is not None:
        shown = broken.group().decode("latin-1")
        raise MalformedRequestError(f"{field}: {shown!r} is not a percent escape", field=field)
    return unquote_to_bytes(encoded)


def path_segments(path: bytes) -> list[bytes]:
    """The decoded segments of a request target without its query.

    "/kv/get/a%2Fb" gives ``[b"kv", b"get", b"a/b"]``; a trailing slash gives a last, empty segment. A proxy
    may send the absolute form, "http://host/kv/get/a", which means the same.
    """
    if not path.startswith(b"/"):
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    return [decode(segment, "path") for segment in path[1:].split(b"/")]
