"""The Python client of Synap, the durable session store.

::

    from synap_sdk import SynapClient

    client = SynapClient("http://localhost:15500")
    client.kv.set("session:123", "...", ttl=3600)

``SynapClient`` works in scripts and in event loops; ``Client`` and ``AsyncClient`` are the same, one for each, and
typed. Whatever goes wrong is a ``SynapError``, in the kinds of ``synap_sdk.errors``.

The package is two halves: ``_core`` decides, without input and output, what is sent, what an answer means and when to
try again; ``_shells`` sends, receives and waits. An operation is a function in ``_core.operations`` and a row in
``_shells.kv``.
"""

from synap_sdk._core.changes import Change
from synap_sdk._core.lifetime import Ttl
from synap_sdk._core.line import RequestLine
from synap_sdk._core.results import KeyPage, Versioned, Written
from synap_sdk._core.values import Json, JsonLike, Storable, Value
from synap_sdk._shells.awaitable import AsyncClient
from synap_sdk._shells.awaitable_watch import AsyncWatch
from synap_sdk._shells.clock import Clock
from synap_sdk._shells.either import SynapClient
from synap_sdk._shells.options import Options
from synap_sdk._shells.sync import Client
from synap_sdk._shells.sync_watch import Watch
from synap_sdk.errors import (
    BadRequest,
    ClientClosed,
    Conflict,
    DeadlineExceeded,
    Disconnected,
    DiskFull,
    Forbidden,
    HistoryTrimmed,
    InvalidArgument,
    NotFound,
    Outcome,
    OutcomeUnknown,
    RateLimited,
    ResponseError,
    ServerError,
    SessionClosed,
    SessionUnavailable,
    SynapError,
    TooLarge,
    TransportError,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
    Unreachable,
    VersionMismatch,
)
from synap_sdk.version import __version__

__all__ = [
    "AsyncClient",
    "AsyncWatch",
    "BadRequest",
    "Change",
    "Client",
    "ClientClosed",
    "Clock",
    "Conflict",
    "DeadlineExceeded",
    "Disconnected",
    "DiskFull",
    "Forbidden",
    "HistoryTrimmed",
    "InvalidArgument",
    "Json",
    "JsonLike",
    "KeyPage",
    "NotFound",
    "Options",
    "Outcome",
    "OutcomeUnknown",
    "RateLimited",
    "RequestLine",
    "ResponseError",
    "ServerError",
    "SessionClosed",
    "SessionUnavailable",
    "Storable",
    "SynapClient",
    "SynapError",
    "TooLarge",
    "TransportError",
    "Ttl",
    "Unauthorized",
    "Unavailable",
    "UnexpectedResponse",
    "Unreachable",
    "Value",
    "VersionMismatch",
    "Versioned",
    "Watch",
    "Written",
    "__version__",
]
