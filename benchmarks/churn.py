"""What happens to a store in a day, as events: logins, new values, moved deadlines, logouts, expiries, prefixes.

Every event makes sense after those before it: nothing that is gone is deleted, and nothing expires before its deadline.
The same numbers always give the same events. Time passes evenly.
"""

from collections import deque
from collections.abc import Iterator
from random import Random

from benchmarks.sessions import Commit, session_key, session_value
from synap.commands import Kind
from synap.events import DeadlineSet, EntryDeleted, EntryExpired, EntrySet, Event, PrefixDeleted

DAY_MS = 86_400_000

_LASTS_MS = 30 * DAY_MS
"""Nothing expires within the day by itself, so that nobody must keep all deadlines in mind to know what is due."""

_ENDING_MS = 60_000
"""What is to expire, gets a deadline so far away, and is left alone from then on."""

_SET, _MOVE, _DELETE, _EXPIRE = range(4)
_KINDS = (_SET,) * 45 + (_MOVE,) * 38 + (_DELETE,) * 13 + (_EXPIRE,) * 4
"""How often each is what happens to a session; whatever ends is replaced by a login."""

_PREFIX_BYTES = len(b"session:") + 3
"""Such a prefix begins the keys of one in 4,096 sessions."""


def day(events: int, sessions: int, *, prefixes: int, batch_events: int, start_ms: int) -> Iterator[Commit]:
    """So many events, in batches of about ``batch_events``; there are ``sessions`` sessions as soon as can be.

    Of the events, ``prefixes`` delete a prefix.
    """
    churn = _Churn(sessions)
    logged = 0
    while logged < events:
        now_ms = start_ms + logged * DAY_MS // events
        batch = churn.expiries(now_ms)
        if logged * prefixes // events != (logged + batch_events) * prefixes // events:
            batch.append(churn.delete_prefix())
        while len(batch) < batch_events:
            batch.append(churn.next(now_ms))
        del batch[events - logged :]
        logged += len(batch)
        yield Commit(now_ms, batch)


class _Churn:
    """The live sessions, and what becomes of them. ``sessions`` is how many there are to be."""

    def __init__(self, sessions: int) -> None:
        self._sessions = sessions
        self._random = Random(1)
        self._keys: list[bytes] = []
        self._logins = 0
        self._ending: deque[tuple[int, bytes]] = deque()

    def next(self, now_ms: int) -> Event:
        """One event of a single session."""
        if len(self._keys) < self._sessions:
            return self._log_in(now_ms)
        at = int(self._random.random() * len(self._keys))
        kind = _KINDS[int(self._random.random() * len(_KINDS))]
        if kind == _SET:
            return EntrySet(self._keys[at], Kind.TEXT, session_value(self._random.getrandbits(64)), now_ms + _LASTS_MS)
        if kind == _MOVE:
            return DeadlineSet(self._keys[at], now_ms + _LASTS_MS)
        key = self._forget(at)
        if kind == _DELETE:
            return EntryDeleted(key)
        self._ending.append((now_ms + _ENDING_MS, key))
        return DeadlineSet(key, now_ms + _ENDING_MS)

    def expiries(self, now_ms: int) -> list[Event]:
        """The ends of those whose deadline has come."""
        due: list[Event] = []
        while self._ending and self._ending[0][0] <= now_ms:
            due.append(EntryExpired(self._ending.popleft()[1]))
        return due

    def delete_prefix(self) -> Event:
        """The end of some hundred sessions, if there are a million."""
        prefix = self._random.choice(self._keys)[:_PREFIX_BYTES]
        self._keys = [key for key in self._keys if not key.startswith(prefix)]
        self._ending = deque([(at_ms, key) for at_ms, key in self._ending if not key.startswith(prefix)])
        return PrefixDeleted(prefix)

    def _log_in(self, now_ms: int) -> Event:
        key = session_key(self._logins)
        self._keys.append(key)
        self._logins += 1
        return EntrySet(key, Kind.TEXT, session_value(self._logins), now_ms + _LASTS_MS)

    def _forget(self, at: int) -> bytes:
        key, self._keys[at] = self._keys[at], self._keys[-1]
        self._keys.pop()
        return key
