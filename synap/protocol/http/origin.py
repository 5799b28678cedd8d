"""Where a request comes from: a web page of another origin may not change anything through its visitor's browser.

Most writes are safe from that by their content type, for which a browser asks first (and is told nothing that would
allow it). A POST without a body has none, so the page's origin is looked at. What is no browser sends no ``Origin``.
"""

from synap.errors import CrossOriginError
from synap.protocol.http.message import Request, header

_READING = frozenset({"GET", "HEAD"})


def check_origin(request: Request) -> None:
    """Refuse a write that a page of another origin than this server's sends. Raises ``CrossOriginError``."""
    origin = header(request.headers, b"origin")
    if origin is None or request.method in _READING:
        return
    _, _, place = origin.partition(b"://")
    if not place or place != header(request.headers, b"host"):
        raise CrossOriginError("a web page of another origin may not write here")
