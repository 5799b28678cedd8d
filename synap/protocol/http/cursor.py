"""The cursor of a scan: the last key that was given out, in base64url without padding.

The key itself, not a position, is what continues a scan correctly whatever was written or deleted since.
Clients treat it as opaque; it is checked like everything that comes from them.
"""

import base64
import binascii

from synap.errors import MalformedRequestError


def to_cursor(last_key: bytes | None) -> str | None:
    """The cursor that continues after ``last_key``; None at the end of the scan."""
    if last_key is None:
        return None
    return base64.urlsafe_b64encode(last_key).rstrip(b"=").decode()


def from_cursor(cursor: str | None) -> bytes | None:
    """The key to continue after. None and "" both mean the start: clients send the latter on their first page."""
    if not cursor:
        return None
    try:
        last_key = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        last_key = b""
    # Comparing with our own spelling also refuses stray bits, standard base64 and padding.
    if to_cursor(last_key) != cursor:
        raise MalformedRequestError("cursor: not a cursor that this server gave out", field="cursor")
    return last_key
