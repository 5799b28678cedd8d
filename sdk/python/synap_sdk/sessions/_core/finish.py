"""What has to happen before a response begins: the session is stored, and the cookie says so.

=====================================  =====================================  ==========================================
the session                            in the store                           the cookie
=====================================  =====================================  ==========================================
was not used                           nothing                                nothing
was read                               extended, if a tenth of its time or    sent again, if it was extended
                                       a minute has passed
was changed                            updated, and extended as above         sent again, if it was extended
is new and holds something             stored                                 sent
got another id                         stored under it, the old one removed   sent
was emptied key by key                 removed, unless another request put    removed, if the session is
                                       something there
was cleared, or ended                  removed                                removed
was ended by another request, or       nothing                                nothing
never was there
=====================================  =====================================  ==========================================

The cookie lives as long as the session from the same moment on, so it is sent again exactly when that moves. A cookie
that leads nowhere is left alone, though it is no good: the browser may have got another one meanwhile, from the request
that ended or rotated the session, and that is the one it would lose.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from synap_sdk.errors import OutcomeUnknown, RateLimited, ServerError, TransportError
from synap_sdk.sessions._core.identity import make_id
from synap_sdk.sessions._core.options import SessionOptions
from synap_sdk.sessions._core.session import Session, Stored
from synap_sdk.sessions._core.steps import Draft, Steps, create, end, extend, rotate, update

AWAY = (TransportError, OutcomeUnknown, ServerError, RateLimited)
"""What says that the store is away, and not that somebody made a mistake."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the cookie has to say: nothing, an id, or that there is none any more.

    ``accessed``: the response may depend on who asked.
    """

    session_id: str | None = field(default=None, repr=False)
    forget: bool = False
    accessed: bool = False


def finish(session: Session, options: SessionOptions, draw: Callable[[], str]) -> Steps[Verdict]:
    """Store a session as the table says; ``draw`` gives the random part of an id. Raises ``SessionUnavailable``."""
    if not session.is_open:
        return Verdict(accessed=session.accessed)
    if session.opened.instead_of is not None:
        return Verdict(accessed=True)
    before = session.opened.stored
    is_ended = session.is_over or (before is not None and not session.content())
    if session.ended is not None:
        yield from end(session.ended, options.prefix)
    after = yield from _store(session, options, draw)
    # The session that goes on is the one in the store, with what other requests put there meanwhile.
    session.settle(after)
    if after is None:
        return Verdict(forget=session.had_cookie and is_ended, accessed=True)
    is_extended = before is not None and after is not before and options.is_due(before.left_s)
    is_sent = before is None or after.id != before.id or is_extended
    return Verdict(session_id=after.id if is_sent else None, accessed=True)


def _store(session: Session, options: SessionOptions, draw: Callable[[], str]) -> Steps[Stored | None]:
    stored, data = session.opened.stored, session.content()
    if stored is None:
        if not data:
            return None
        created = yield from create(make_id(draw(), session.tag), data, options.prefix, options.ttl_s)
        assert created is not None, "256 bits that were drawn before"
        return created
    if not data and (session.is_cleared or session.wants_rotation):
        # Whatever another request put there: everything was to go, or at least this id.
        yield from end(stored.id, options.prefix)
        return None
    draft = Draft(stored, data, session.edits.standing(data))
    if session.wants_rotation:
        return (yield from rotate(draft, make_id(draw(), session.tag), options.prefix, options.ttl_s))
    is_due = options.is_due(stored.left_s)
    if session.modified or not data:
        return (yield from update(draft, options.prefix, options.ttl_s if is_due else None))
    return (yield from _extended(stored, options)) if is_due else stored


def _extended(stored: Stored, options: SessionOptions) -> Steps[Stored | None]:
    try:
        return (yield from extend(stored, options.prefix, options.ttl_s))
    except AWAY:
        # The answer is right without it, and the next request tries again.
        return stored
