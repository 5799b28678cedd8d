"""Whole data directories for tests: made event for event, rotated and with snapshots just where a test wants them."""

from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from random import Random
from uuid import UUID

import zstandard

from synap.codec import encode_events
from synap.datadir import StoreDirectory, StoreFile, look_at_data_directory, pack_store_file
from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.fs import FileSystem, create_durably
from synap.keyspace import Digest, Keyspace, state_bytes
from synap.radix import new_tree
from synap.snapshot.format import Row, SnapshotHeader, snapshot_name
from synap.snapshot.writer import SnapshotWriter
from synap.wal.format import CHAIN_START, FrameType, SegmentHeader
from synap.wal.writer import SegmentWriter
from tests.wal.build import DATA, STORE_ID, T0_MS


class Scene:
    """A store that is written by hand; ``keyspace`` is its state, ``states`` the digest after each event."""

    def __init__(self, fs: FileSystem, path: Path = DATA, *, store_id: UUID = STORE_ID, seed: int = 1) -> None:
        self.fs, self.path, self.store_id = fs, path, store_id
        self.wal, self.snapshots = path / "wal", path / "snapshot"
        self.rng = Random(seed)
        self.keyspace = Keyspace(new_tree())
        self.states: dict[int, int] = {0: 0}
        self.now_ms = T0_MS
        self._chain_at: dict[int, bytes] = {0: CHAIN_START}
        fs.make_directory(self.wal)
        create_durably(fs, path / "STORE", pack_store_file(StoreFile(store_id, T0_MS)))
        self._segment = self._begin(0, CHAIN_START, state_bytes(0))

    @property
    def seq(self) -> int:
        return self.keyspace.seq

    @property
    def directory(self) -> StoreDirectory:
        return look_at_data_directory(self.fs, self.path)

    def batch(self, *events: Event) -> "Scene":
        """One commit, ten milliseconds after the last."""
        self.now_ms += 10
        raw = encode_events(events)
        payload = zstandard.ZstdCompressor(level=1, write_checksum=True, write_content_size=True).compress(raw)
        built = self._segment.build(FrameType.BATCH, self.now_ms, payload, count=len(events), raw_length=len(raw))
        self._segment.append(*built, len(events))
        self._segment.sync()
        for seq, event in enumerate(events, self.seq + 1):
            self.keyspace.apply(seq, event)
            self.states[seq] = self.keyspace.digest
        return self

    def fill(self, batches: int, count: int = 2) -> "Scene":
        """Some batches of random events."""
        for _ in range(batches):
            self.batch(*(random_event(self.rng, self.now_ms) for _ in range(count)))
        return self

    def rotate(self, state: bytes | None = None) -> "Scene":
        """Seal the segment and begin the next one; ``state`` is what its header says, if not the truth."""
        self._segment.seal(*self._segment.build(FrameType.SEAL, self.now_ms))
        self._chain_at[self.seq] = self._segment.chain
        self._segment = self._begin(
            self._segment.header.epoch, self._segment.chain, state or state_bytes(self.keyspace.digest)
        )
        return self

    def snapshot(self, rows: list[Row] | None = None) -> "Scene":
        """A snapshot of the state (or of a lie), which the active segment, still empty, begins behind."""
        assert self._segment.next_seq == self._segment.header.first_seq
        self.fs.make_directory(self.snapshots)
        header = SnapshotHeader(
            salt=self.rng.getrandbits(32),
            store_id=self.store_id,
            last_seq=self.seq,
            created_ms=self.now_ms,
            wall_ms=self.now_ms,
            chain=self._chain_at[self.seq],
        )
        digest = Digest()
        with closing(SnapshotWriter(self.fs, self.snapshot_path(self.seq), header)) as writer:
            for row in digest.of(self.keyspace.tree.items() if rows is None else rows):
                writer.add(row)
            writer.finish(digest.value)
        self.fs.sync_directory(self.snapshots)
        return self

    def close(self) -> "Scene":
        """Seal the last segment, as a server does that stops."""
        self._segment.seal(*self._segment.build(FrameType.SEAL, self.now_ms))
        return self

    def trim(self, below_seq: int) -> "Scene":
        """Remove the segments that end before this event."""
        names = [name for name in self.fs.names(self.wal) if name.endswith(".wal")]
        for name, successor in pairwise(names):
            if int(successor.removesuffix(".wal")) <= below_seq:
                self.fs.remove(self.wal / name)
        return self

    def segment(self, first_seq: int) -> Path:
        return self.wal / f"{first_seq:020d}.wal"

    def snapshot_path(self, last_seq: int) -> Path:
        return self.snapshots / snapshot_name(last_seq)

    def _begin(self, epoch: int, chain: bytes, state: bytes) -> SegmentWriter:
        header = SegmentHeader(
            salt=self.rng.getrandbits(32),
            store_id=self.store_id,
            epoch=max(1, epoch),
            first_seq=self.seq + 1,
            created_ms=self.now_ms,
            chain=chain,
            state=state,
        )
        segment = SegmentWriter(self.fs, self.wal, header)
        segment.publish()
        return segment


def random_event(rng: Random, now_ms: int) -> Event:
    """Any event, on few keys, so that each kind meets keys that the others wrote."""
    key = b"%c:%d" % (rng.choice(b"abc"), rng.randrange(8))
    deadline_ms = rng.choice([None, now_ms + rng.randrange(-1000, 100_000)])
    match rng.randrange(10):
        case 0:
            return EntryDeleted(key)
        case 1:
            return PrefixDeleted(key[:2])
        case 2:
            return DeadlineSet(key, deadline_ms)
        case 3:
            return (EntryEvicted if key.endswith(b"7") else EntryExpired)(key)
    kind, value = rng.choice([(0, b"text %d" % rng.randrange(99)), (1, b'{"n": 1.10}'), (2, rng.randbytes(60))])
    return EntrySet(key, kind, value, deadline_ms)


def two_snapshots(fs: FileSystem, path: Path = DATA, seed: int = 1) -> Scene:
    """As a server leaves it: snapshots at 8 and 16, segments from 9, 17 and 23 on, the last one not sealed."""
    scene = Scene(fs, path, seed=seed)
    scene.fill(4).rotate().snapshot().fill(4).rotate().snapshot().trim(9)
    return scene.fill(3).rotate().fill(2)


def all_files(fs: FileSystem, path: Path) -> Iterator[Path]:
    """Every file below a directory."""
    for name in fs.names(path):
        place = path / name
        if fs.is_directory(place):
            yield from all_files(fs, place)
        else:
            yield place
