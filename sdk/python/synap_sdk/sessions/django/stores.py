"""The stores that Django's settings name."""

from typing import Any

from django.conf import settings

from synap_sdk._shells.awaitable import AsyncClient
from synap_sdk._shells.sync import Client
from synap_sdk.sessions._core.options import SessionOptions
from synap_sdk.sessions.stores import AsyncSessionStore, SessionStore

DEFAULT_URL = "http://localhost:15500"


class Stores:
    """The stores of both kinds that ``SYNAP_SESSIONS`` names. Raises ``TypeError`` for an unknown name."""

    def __init__(self, given: dict[str, Any]) -> None:
        ours = {name: given[name] for name in ("prefix", "when_away") if name in given}
        clients = {name: each for name, each in given.items() if name not in {"url", *ours}}
        self.given = dict(given)
        self.options = SessionOptions(**ours)
        self.blocking = SessionStore(Client(given.get("url", DEFAULT_URL), **clients), self.options)
        self.awaited = AsyncSessionStore(AsyncClient(given.get("url", DEFAULT_URL), **clients), self.options)


_made: Stores | None = None


def stores() -> Stores:
    """Those of the settings, made once."""
    global _made  # noqa: PLW0603  # the settings are as global
    given = getattr(settings, "SYNAP_SESSIONS", {})
    if _made is None or _made.given != given:
        _made = Stores(given)
    return _made


def end_all(owner: str) -> int:
    """End all sessions of an owner, in one step; tells how many there were. Raises ``SessionUnavailable``."""
    return stores().blocking.end_all(owner)


async def aend_all(owner: str) -> int:
    """As ``end_all``, awaited."""
    return await stores().awaited.end_all(owner)
