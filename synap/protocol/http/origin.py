"""Where a request comes from: a web page of another origin may not change anything through its visitor's browser,
unless that origin is configured (``cors``).

Most writes are safe from that by their content type, for which a browser asks first (and is told nothing that would
allow it). A POST without a body has none, and some a GET can do (``touch``), so it is looked at where the request comes
from. What is no browser says nothing of that, and is not asked.
"""

from synap.errors import CrossOriginError
from synap.protocol.http.cors import Origins
from synap.protocol.http.message import Request, header


def check_origin(request: Request, origins: Origins) -> None:
    """Refuse what a page asks for that is neither this server's nor of one of the ``origins``.

    Raises ``CrossOriginError``.
    """
    origin = header(request.headers, b"origin")
    if origin is not None:
        _, _, place = origin.partition(b"://")
        foreign = origin not in origins and (not place or place != header(request.headers, b"host"))
    else:
        # What a page only embeds, such as a picture, is asked for without an origin, but browsers say so.
        foreign = header(request.headers, b"sec-fetch-site") in {b"cross-site", b"same-site"}
    if foreign:
        raise CrossOriginError("a web page of another origin may change nothing here")
