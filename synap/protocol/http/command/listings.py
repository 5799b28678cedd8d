"""Keys that match a pattern or begin with a prefix."""

from msgspec import UNSET, UnsetType

from synap import commands
from synap.errors import InvalidParameterError
from synap.protocol.http.command import payload
from synap.protocol.http.command.asked import Asked, asked
from synap.protocol.http.cursor import from_cursor, to_cursor
from synap.protocol.http.endpoints.listings import LIST_MAX_KEYS, SCAN_DEFAULT_KEYS, texts
from synap.results import KeyPage, Page


def keys(given: payload.Keys) -> Asked:
    """kv.keys: all of them, as far as one answer goes; ``truncated`` stands there only where it does not."""
    if isinstance(given.prefix, UnsetType):
        pattern = "*" if isinstance(given.pattern, UnsetType) else given.pattern
        return asked(commands.Keys(pattern.encode(), LIST_MAX_KEYS), _matching)
    if given.pattern is not UNSET:
        raise InvalidParameterError("prefix: not together with pattern", field="prefix")
    return asked(commands.Scan(given.prefix.encode(), None, LIST_MAX_KEYS), _under_prefix)


def _matching(page: KeyPage) -> dict[str, object]:
    return _listed(page.keys, truncated=page.truncated)


def _under_prefix(page: Page) -> dict[str, object]:
    return _listed(page.keys, truncated=page.next_after is not None)


def _listed(found: list[bytes], *, truncated: bool) -> dict[str, object]:
    shown: dict[str, object] = {"keys": texts(found), "count": len(found)}
    return {**shown, "truncated": True} if truncated else shown


def scan(given: payload.Scan) -> Asked:
    """kv.scan: a page of keys, and the cursor for the next; null at the end."""
    limit = SCAN_DEFAULT_KEYS if isinstance(given.limit, UnsetType) else given.limit
    if not 1 <= limit <= LIST_MAX_KEYS:
        raise InvalidParameterError(f"limit: expected an integer from 1 to {LIST_MAX_KEYS:,}", field="limit")

    def show(page: Page) -> dict[str, object]:
        return {**_listed(page.keys, truncated=False), "cursor": to_cursor(page.next_after)}

    return asked(commands.Scan(given.prefix.encode(), from_cursor(given.cursor), limit), show)
