"""Web pages of other origins that may use the API (CORS, as the Fetch standard has it): those that are configured.

A browser asks first, by a *preflight*, for whatever a page could not have sent before there was CORS: every body in
JSON, every header with credentials. It shows a page only the responses that name its origin. Credentials are headers
that the page must know, never cookies, so Access-Control-Allow-Credentials is never sent: what a browser would add by
itself is not let through. Without configured origins none of this is ever said.
"""

from collections.abc import Sequence

import msgspec

from synap.protocol.http.message import Headers, Response, header

Origins = frozenset[bytes]
"""Origins as browsers write them: "https://app.example.com", with a port only where it is not the scheme's own."""

MAX_AGE_S = 600
"""How long a browser need not ask again; a change of the configuration is seen after that at the latest."""

ALLOWED_HEADERS = (b"content-type", b"authorization", b"x-api-key", b"if-match", b"if-none-match")
EXPOSED_HEADERS = (b"ETag", b"Synap-TTL", b"Retry-After")


def preflight(method: str, headers: Headers, allowed: Sequence[str], origins: Origins) -> Response | None:
    """The answer to a browser's question whether a page may use the ``allowed`` methods of a path.

    None where that is not asked, or not by a page that may. The origin is for ``expose`` to add.
    """
    if method != "OPTIONS" or header(headers, b"access-control-request-method") is None:
        return None
    if header(headers, b"origin") not in origins:
        return None
    said = (
        (b"access-control-allow-methods", ", ".join(allowed).encode()),
        (b"access-control-allow-headers", b", ".join(ALLOWED_HEADERS)),
        (b"access-control-max-age", b"%d" % MAX_AGE_S),
        (b"cache-control", b"no-store"),
    )
    return Response(204, said, b"")


def expose(headers: Headers, response: Response, origins: Origins) -> Response:
    """The response to a request with ``headers``, for the page to read that sent it, if it may."""
    if not origins:
        return response
    extra = [(b"vary", b"origin")]
    origin = header(headers, b"origin")
    if origin is not None and origin in origins:
        extra.append((b"access-control-allow-origin", origin))
        extra.append((b"access-control-expose-headers", b", ".join(EXPOSED_HEADERS)))
    return msgspec.structs.replace(response, headers=(*response.headers, *extra))
