"""What the benchmarks store: sessions as browsers bring them, and logs of them, written without a server.

A session is known from its number alone, so that several processes, or another store, can be given the same ones.
"""

import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from synap.clock import ManualClock
from synap.codec import encode_events
from synap.commands import Kind
from synap.datadir import open_data_directory
from synap.events import EntrySet, Event
from synap.fs import RealFileSystem
from synap.keyspace import Limits
from synap.store import FsyncMode, LogOptions, open_store
from synap.telemetry import Metrics
from synap.wal.interface import Batch

KEY_BYTES = 40
VALUE_BYTES = 300

_HOUR_MS = 3_600_000

_SCATTER = 2_654_435_761
"""Knuth's multiplier: consecutive numbers, times this, modulo something, are all over the place."""


class Session(NamedTuple):
    """``lasts_ms`` is the time that it has left: one to two hours, so that none ends while it is measured."""

    key: bytes
    value: bytes
    lasts_ms: int

    def as_json(self) -> dict[str, str | int]:
        """What a request that sets it says of it; its time in whole seconds."""
        return {"key": self.key.decode("ascii"), "value": self.value.decode("ascii"), "ttl": self.lasts_ms // 1000}


class Commit(NamedTuple):
    """Events that are logged together, at ``now_ms`` (ms since the epoch)."""

    now_ms: int
    events: Sequence[Event]


def session(number: int) -> Session:
    """The session with this number."""
    return Session(session_key(number), session_value(number), _HOUR_MS + number * _SCATTER % _HOUR_MS)


def session_key(number: int) -> bytes:
    """40 bytes, of which 32 look random."""
    return b"session:" + _digits(number, b"key")[:32]


def session_value(number: int) -> bytes:
    """300 bytes that compress as JSON sessions do: names, and an id and a token that are random."""
    digits = _digits(number, b"value")
    start = b'{"user_id":%d,"roles":["admin","editor"],"csrf":"%b","locale":"en-GB","cart":[' % (
        int(digits[:7], 16),
        digits[64:],
    )
    return start.ljust(VALUE_BYTES - 1, b" ") + b"]"


def _digits(number: int, purpose: bytes) -> bytes:
    """128 hexadecimal digits."""
    return blake2b(number.to_bytes(8), person=purpose).hexdigest().encode("ascii")


# --- on disk ---------------------------------------------------------------------------------------------


@contextmanager
def temporary_directory(parent: Path | None = None) -> Iterator[Path]:
    """A directory for a measurement, in ``parent`` or where temporary files go; removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="synap-bench-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def wall_ms() -> int:
    """The time, ms since the epoch."""
    return time.time_ns() // 1_000_000


def logins(count: int, now_ms: int, batch_events: int) -> Iterator[Commit]:
    """The sessions 0 to ``count - 1`` begin, all at one time."""
    for first in range(0, count, batch_events):
        sessions = map(session, range(first, min(first + batch_events, count)))
        yield Commit(now_ms, [EntrySet(key, Kind.TEXT, value, now_ms + lasts_ms) for key, value, lasts_ms in sessions])


async def write_log(path: Path, commits: Iterable[Commit], start_ms: int) -> None:
    """Make a data directory whose log holds these commits, none of them before ``start_ms``, and no snapshot.

    The log's own writer does it, without deciding or applying anything, and without a sync until the end.
    """
    directory = open_data_directory(RealFileSystem(), path, now_ms=start_ms)
    options = LogOptions(FsyncMode.NEVER)
    # The log's time stands still unless a commit says otherwise: it may be in the past.
    clock = ManualClock(start_ms)
    store, _ = open_store(directory, clock, options=options, limits=Limits(), metrics=Metrics())
    log = store.log
    for commit in commits:
        await log.append(Batch(encode_events(commit.events), len(commit.events), log.last_seq, commit.now_ms))
    await store.close()
    directory.close()
