"""What a client is made with: the same for every kind of client."""

from dataclasses import dataclass, field
from ssl import SSLContext
from typing import TypedDict, Unpack

import httpx

from synap_sdk._core.retry import Patience
from synap_sdk._core.target import Target, target
from synap_sdk._shells.clock import Clock, SystemClock
from synap_sdk.errors import InvalidArgument

LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0)
"""An idle connection is given up well before the server does it after 60 s: a write must not meet a closing door."""


class Options(TypedDict, total=False):
    """The keyword arguments of every client; all may be left out."""

    api_key: str | None
    """Sent as ``Authorization: Bearer``."""
    username: str | None
    """Sent with ``password`` as ``Authorization: Basic``."""
    password: str | None
    deadline_s: float
    """How long one call may take, with all its tries and waits; 2 seconds."""
    connect_timeout_s: float
    """How long one try to connect may take; 1 second."""
    limits: httpx.Limits
    """How many connections there may be, and how long an idle one is kept; of each event loop."""
    verify: SSLContext | bool
    """How the certificate of an https server is checked; by default against certifi's list."""
    clock: Clock
    """Where time comes from; for tests."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of one client, checked and complete."""

    target: Target
    patience: Patience
    limits: httpx.Limits
    verify: SSLContext | bool
    clock: Clock = field(repr=False)


def settings(base_url: str, **options: Unpack[Options]) -> Settings:
    """Check what a client was made with. Raises ``InvalidArgument``; ``TypeError`` for an unknown name."""
    unknown = options.keys() - Options.__annotations__.keys()
    if unknown:
        raise TypeError(f"unknown options: {', '.join(sorted(unknown))}")
    checked = target(
        base_url,
        api_key=options.get("api_key"),
        username=options.get("username"),
        password=options.get("password"),
    )
    try:
        httpx.URL(checked.url)
    except httpx.InvalidURL as cause:
        raise InvalidArgument(f"base_url: {cause}") from cause
    usual = Patience()
    return Settings(
        target=checked,
        patience=Patience(
            options.get("deadline_s", usual.deadline_s),
            options.get("connect_timeout_s", usual.connect_timeout_s),
        ),
        limits=options.get("limits", LIMITS),
        # Making a context that verifies takes 0.2 s, and where nothing is encrypted nothing is verified.
        verify=options.get("verify", True) if checked.is_encrypted else False,
        clock=options.get("clock") or SystemClock(),
    )
