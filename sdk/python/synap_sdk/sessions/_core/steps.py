"""What is asked of the store, one step after the other.

A step is a generator: it yields calls, and is sent what came of each, or thrown the error. So the same steps serve
blocking and awaiting clients (``sessions.stores``), and can be tested without either.

What must never happen, whatever requests run at once and whenever the store dies:

* A session that was ended comes back. So an update says which version it updates, and where the key is missing there is
  nothing to update; a rotation that finds the old id ended takes the new one back.
* An update is lost. So whoever finds another version than it began with begins again with what is there.
* An id is known before it is stored. So whoever planted the id before a login is logged in by no crash in between: the
  new id is written first, and what the old one leads to never gets what the new one has.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from synap_sdk._core import operations
from synap_sdk._core.call import Call
from synap_sdk._core.message import Request, Response
from synap_sdk._core.values import Json, MalformedAnswerError, etag_version, read_json
from synap_sdk.errors import NotFound, SessionUnavailable, VersionMismatch
from synap_sdk.sessions._core.identity import key_of
from synap_sdk.sessions._core.merge import Changes, merged
from synap_sdk.sessions._core.session import Stored

R = TypeVar("R")

# A generator is sent what its call gives, and each call gives something else.
Steps: TypeAlias = Generator[Call[Any], Any, R]

TRIES_MAX = 50
"""How often a request is overtaken before it gives up. Each time another one got through, so at most as many as a
browser has under way at once."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a request makes of a session; ``base`` is what it began with."""

    base: Stored
    data: Mapping[str, Json]
    changes: Changes

    def over(self, theirs: Stored) -> dict[str, Json]:
        """The changes of this request, put over what another one left."""
        return merged(self.base.data, self.data, theirs.data, self.changes)


def look(session_id: str, prefix: str) -> Steps[Stored | None]:
    """The session with this id; None where there is none."""
    call = Call(
        Request("GET", "/kv/value/{key}", key_of(session_id, prefix)),
        lambda response: _read(session_id, response),
        repeatable=True,
    )
    try:
        return (yield from ask(call))
    except NotFound as error:
        if error.type != "missing_key":
            raise
        return None


def create(session_id: str, data: Mapping[str, Json], prefix: str, ttl_s: float) -> Steps[Stored | None]:
    """Store a session that was not there; None where one was, which no id that was drawn at random meets."""
    call = operations.set_value(key_of(session_id, prefix), data, ttl=ttl_s, nx=True)
    written = yield from ask(call)
    return Stored(session_id, written.version, dict(data), int(ttl_s)) if written else None


def update(draft: Draft, prefix: str, ttl_s: float | None, *, ends_empty: bool = True) -> Steps[Stored | None]:
    """Store what a session became; None where it was ended meanwhile, or is empty now and that ends it.

    What another request put into it meanwhile stays: it is not empty then.

    ``ttl_s`` is how long it lives from now on; None leaves that as it is.
    """
    there, data = draft.base, dict(draft.data)
    for _ in range(TRIES_MAX):
        try:
            if ends_empty and not data:
                yield from ask(operations.delete(key_of(there.id, prefix), if_version=there.version))
                return None
            return (yield from _replace(there, data, prefix, ttl_s))
        except VersionMismatch:
            found = yield from look(there.id, prefix)
        if found is None:
            return None
        there, data = found, draft.over(found)
    raise SessionUnavailable("other requests change the session all the time")


def rotate(draft: Draft, new_id: str, prefix: str, ttl_s: float) -> Steps[Stored | None]:
    """Store what a session became under another id, and end the one before; None where that was ended meanwhile."""
    written = yield from create(new_id, draft.data, prefix, ttl_s)
    there = draft.base
    for _ in range(TRIES_MAX):
        if written is None:
            return None
        try:
            deleted = yield from ask(operations.delete(key_of(there.id, prefix), if_version=there.version))
        except VersionMismatch:
            found = yield from look(there.id, prefix)
        else:
            found = None
            if deleted:
                return written
        if found is None:
            yield from end(new_id, prefix)
            return None
        # The new key may have been removed meanwhile with all of its owner's; then it is not written again.
        there, written = found, (yield from _replace_if_there(written, draft.over(found), prefix, ttl_s))
    yield from end(new_id, prefix)
    raise SessionUnavailable("other requests change the session all the time")


def extend(stored: Stored, prefix: str, ttl_s: float) -> Steps[Stored | None]:
    """Let a session live so long from now on; None where it was ended meanwhile."""
    is_there = yield from ask(operations.touch(key_of(stored.id, prefix), ttl_s))
    return Stored(stored.id, stored.version, stored.data, int(ttl_s)) if is_there else None


def end(session_id: str, prefix: str) -> Steps[bool]:
    """End a session, whatever became of it; tells whether it was there."""
    return (yield from ask(operations.delete(key_of(session_id, prefix))))


def ask(call: Call[R]) -> Steps[R]:
    """One call, typed: what is sent back is what the call gives."""
    result: R = yield call
    return result


def _replace(there: Stored, data: dict[str, Json], prefix: str, ttl_s: float | None) -> Steps[Stored]:
    key = key_of(there.id, prefix)
    written = yield from ask(
        operations.set_value(key, data, ttl=ttl_s, keepttl=ttl_s is None, if_version=there.version)
    )
    return Stored(there.id, written.version, data, there.left_s if ttl_s is None else int(ttl_s))


def _replace_if_there(there: Stored, data: dict[str, Json], prefix: str, ttl_s: float) -> Steps[Stored | None]:
    try:
        return (yield from _replace(there, data, prefix, ttl_s))
    except VersionMismatch:
        return None


def _read(session_id: str, response: Response) -> Stored:
    data, version, left = read_json(response), etag_version(response), response.headers.get("synap-ttl", "")
    if not isinstance(data, dict) or version is None or not left.removeprefix("-").isdecimal():
        raise MalformedAnswerError("expected a JSON object with a version and a time to live")
    return Stored(session_id, version, data, int(left))
