"""A store as it was: a new data directory with the state as of a point."""

from pathlib import Path

import msgspec

from synap.founding import Founded, found, refuse_filled
from synap.replay.asof import Moment, state_at
from synap.replay.points import Point
from synap.replay.render import Output
from synap.replay.source import Source


class Restored(msgspec.Struct, frozen=True):
    """The store that was made, the moment that it is as of, and how many of its entries have been due since then."""

    store: Founded
    moment: Moment
    due: int


def restore(source: Source, point: Point, target: Path, output: Output, *, now_ms: int) -> Restored:
    """Make ``target``, which must be new or empty, a store with the entries as of a point; durable on return.

    Those that were due then are among them, so that it is the same state; as any others whose deadline is before
    ``now_ms`` (the wall clock), they are absent for every reader, and purged at the first start.

    Raises ``ReplayError`` where the point cannot be shown, a ``DataDirectoryError`` where the source is damaged before
    it, or the target cannot be made.
    """
    fs = source.directory.fs
    refuse_filled(fs, target)
    keyspace, moment = state_at(source, point, output)
    store = found(fs, target, keyspace.tree.items(), seq=moment.seq, wall_ms=moment.time_ms, now_ms=now_ms)
    assert store.digest == keyspace.digest
    return Restored(store, moment, len(keyspace.tree.due(now_ms)))
