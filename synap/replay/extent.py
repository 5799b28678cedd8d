"""From where to where a directory can be shown: what is named where something else was asked for."""

from contextlib import closing, suppress

from synap.errors import DamagedError
from synap.replay.follow import LogFollower
from synap.replay.source import Source
from synap.replay.text import iso


def available(source: Source) -> str:
    """The first and the last event after which the data can be shown, and their times."""
    with suppress(DamagedError):
        first, last = _first(source), _last(source)
        if first is not None and last is not None:
            return f"seq {first[0]} ({iso(first[1])}) to seq {last[0]} ({iso(last[1])})"
    return "nothing that can be shown"


def _first(source: Source) -> tuple[int, int] | None:
    """The beginning, or the oldest snapshot whose header and footer are whole: number and time."""
    if min(source.segment_seqs(), default=0) == 1:
        return 0, source.created_ms
    for seq in source.snapshot_seqs():
        with suppress(DamagedError), closing(source.open_snapshot(seq)) as snapshot:
            return seq, snapshot.header.wall_ms
    return None


def _last(source: Source) -> tuple[int, int] | None:
    """The last event that can be read, or the newest snapshot."""
    last = None
    for seq in reversed(source.snapshot_seqs()):
        with suppress(DamagedError), closing(source.open_snapshot(seq)) as snapshot:
            last = seq, snapshot.header.wall_ms
            break
    from_seq = max(source.segment_seqs(), default=0)
    with closing(LogFollower(source, from_seq)) as follower, suppress(DamagedError):
        for segment in follower.segments():
            found = segment.next_seq - 1, segment.wall_ms
            for frame in segment.frames():
                found = frame.first_seq + frame.count - 1, frame.wall_ms
            last = max(last or found, found)
    return last
