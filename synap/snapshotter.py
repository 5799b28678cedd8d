"""Snapshots of a running store: who makes them, how they come to count, and what may then go.

One snapshot takes these steps, each of which may be the last before a crash:

1. Between two commits, the log's active segment is sealed. That is all the server stands still for.
2. A fold (``snapshot/fold.py``), in a process of its own, makes the next snapshot of the one before and the sealed
   segments, under a temporary name.
3. Chain value and digest must be those in the header of the segment behind it: there the server itself wrote down at
   which state it was.
4. It gets its name, durably. From here on a start uses it.
5. Snapshots that are no longer kept go, and then the segments that none of the others needs (``snapshot/policy.py``).

Where a fold fails, for whatever reason, its file goes, the log stays, and it is tried again later. A damaged snapshot
that shows thereby is set aside, and the one before is folded. Errors of the disk in steps 4 and 5 end the server as
those of the log do: nobody knows any more which names are durable.
"""

import errno
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

import structlog
import trio

from synap.archive import Archive
from synap.datadir import DataDirectory
from synap.errors import (
    DamagedError,
    DataDirectoryError,
    DiskFullError,
    LogFailedError,
    NotReadyError,
    OverloadedError,
    SnapshotError,
    SnapshotFailedError,
    SnapshotNoRoomError,
    SnapshotsOffError,
    SynapError,
)
from synap.fs import FileSystem
from synap.keyspace import state_bytes
from synap.quarantine import set_aside
from synap.snapshot.fold import FoldFailure, FoldReport, FoldRequest
from synap.snapshot.format import snapshot_name
from synap.snapshot.policy import Since, SnapshotInfo, SnapshotOptions, is_due, kept
from synap.snapshot.reader import SnapshotReader, snapshot_seqs
from synap.telemetry import Metrics
from synap.wal.format import STATE_UNKNOWN
from synap.wal.local import Hop, LocalLog
from synap.wal.reader import read_header

T = TypeVar("T")

Fold: TypeAlias = Callable[[FoldRequest], Awaitable[FoldReport | FoldFailure]]
"""Carries out a request, elsewhere. When it is cancelled, nothing of it goes on."""

LOOK_EVERY_S = 1.0
"""How often it is asked whether a snapshot is due."""

ARCHIVES_MAX = 2
"""Each holds files open, and keeps them on the disk when they are trimmed, for as long as its reader takes."""

BACK_OFF_S = (1.0, 5.0, 30.0, 120.0, 600.0)
"""How long to wait after the first, the second, ... failure in a row."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_logger = structlog.get_logger()


class BetweenCommits(Protocol):
    """See ``Committer.between_commits``."""

    async def __call__(self, act: Callable[[bytes], Awaitable[T]]) -> T:
        """What ``act`` returns; it is given the digest of the state."""
        ...


class _Request:
    """Somebody who waits for a snapshot, and what comes of it."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.outcome: SnapshotInfo | SynapError = NotReadyError("the server is shutting down; no snapshot was taken")

    def answer(self, outcome: SnapshotInfo | SynapError) -> None:
        self.outcome = outcome
        self.done.set()


class Snapshotter:
    """See the module. ``snapshots`` are those that count, oldest first; ``run`` must be running for more to come.

    ``failure`` says why the last one that was tried is not there; None where it is.
    """

    def __init__(
        self,
        directory: DataDirectory,
        log: LocalLog,
        between_commits: BetweenCommits,
        *,
        now_ms: Callable[[], int],
        options: SnapshotOptions,
        metrics: Metrics,
        random_u32: Callable[[], int],
        fold: Fold,
        hop: Hop,
    ) -> None:
        """Take up what is in the directory, and remove what an interrupted fold left. Blocks on the disk."""
        self._directory = directory
        self._log = log
        self._between_commits = between_commits
        self._now_ms = now_ms
        self._options = options
        self._metrics = metrics
        self._random_u32 = random_u32
        self._fold = fold
        self._hop = hop
        self._requests: list[_Request] = []
        self._asked = trio.Event()
        self._ended = False
        self._archives = 0
        self.failure: str | None = None
        self._failures_in_row = 0
        self._try_again_s = 0.0
        self._started_ms = now_ms()
        self.snapshots = _take_up(directory)

    @property
    def newest(self) -> SnapshotInfo | None:
        """The last snapshot that counts."""
        return self.snapshots[-1] if self.snapshots else None

    async def take(self) -> SnapshotInfo:
        """A snapshot that holds all that was acknowledged before; returns when it is durable.

        Where nothing happened since the last one, it is that. Raises ``SnapshotError``, ``NotReadyError``, or
        ``LogFailedError``. Cancelling stops the waiting, not the snapshot.
        """
        if not self._options.enabled:
            raise SnapshotsOffError("snapshots are off: persistence.snapshot.enabled is false")
        request = _Request()
        if not self._ended:
            self._requests.append(request)
            self._asked.set()
            await request.done.wait()
        if isinstance(request.outcome, SynapError):
            raise request.outcome
        return request.outcome

    async def archive(self) -> Archive:
        """The newest snapshot and the log behind it, up to now, as a tar file; see ``Store.archive``."""
        if self._archives >= ARCHIVES_MAX:
            raise OverloadedError("as many backups as there may be at once are being read; nothing was written")
        self._archives += 1
        try:
            await self._between_commits(self._log.rotate)
            archive = await self._open_archive()
        except BaseException:
            self._archive_closed()
            raise
        archive.when_closed(self._archive_closed)
        return archive

    async def _open_archive(self) -> Archive:
        while True:
            newest, seqs = self.newest, self._log.segment_seqs
            seq = None if newest is None else newest.seq
            needed = [first_seq for first_seq in seqs if seq is None or first_seq > seq]
            with suppress(FileNotFoundError):
                return await self._hop(partial(Archive, self._directory, seq, needed, self._now_ms()))
            # A file can be missing only because a newer snapshot has come meanwhile.
            if (newest, seqs) == (self.newest, self._log.segment_seqs):
                raise SnapshotFailedError("a file of the data directory is missing")

    def _archive_closed(self) -> None:
        self._archives -= 1

    async def run(self) -> None:
        """Take snapshots when they are due or asked for, until cancelled. Raises ``LogFailedError``."""
        try:
            while True:
                with trio.move_on_after(LOOK_EVERY_S):
                    await self._asked.wait()
                if self._requests or self._is_due():
                    await self._attempt()
        finally:
            self._ended = True
            for request in self._requests:
                request.done.set()

    def _is_due(self) -> bool:
        options, newest = self._options, self.newest
        if not (options.enabled and options.automatic) or trio.current_time() < self._try_again_s:
            return False
        seq, made_ms = (0, self._started_ms) if newest is None else (newest.seq, newest.created_ms)
        since = Since(
            events=self._log.last_seq - seq,
            log_bytes=self._log.bytes_from(seq + 1),
            age_s=(self._now_ms() - made_ms) / 1000,
        )
        return is_due(since, newest, options)

    async def _attempt(self) -> None:
        """Take a snapshot for all who have asked until now, and tell them what came of it."""
        served, self._asked = len(self._requests), trio.Event()
        outcome: SnapshotInfo | SynapError
        try:
            outcome = await self._take()
        except SnapshotError as failure:
            outcome = failure
            self._note_failure(failure)
        except LogFailedError as failure:
            for request in self._requests:
                request.answer(failure)
            raise
        else:
            self._failures_in_row, self.failure = 0, None
        for request in self._requests[:served]:
            request.answer(outcome)
        del self._requests[:served]

    def _note_failure(self, failure: SnapshotError) -> None:
        wait_s = BACK_OFF_S[min(self._failures_in_row, len(BACK_OFF_S) - 1)]
        self._failures_in_row += 1
        self.failure = str(failure)
        self._try_again_s = trio.current_time() + wait_s
        self._metrics.snapshots.labels("failed").inc()
        _logger.error("no snapshot was taken; the log stays", why=str(failure), again_in_s=wait_s)

    # --- the steps ---------------------------------------------------------------------------------------

    async def _take(self) -> SnapshotInfo:
        """A snapshot of everything up to now."""
        try:
            upto_seq, state = await self._between_commits(self._seal)
        except DiskFullError as cause:
            raise SnapshotNoRoomError(str(cause)) from cause
        # A fold that would need too much memory at once stops on the way.
        while (newest := self.newest) is None or newest.seq < upto_seq:
            await self._fold_upto(upto_seq, state)
        await self._tidy_up()
        return newest

    async def _seal(self, state: bytes) -> tuple[int, bytes]:
        """The last event before the log's active segment, which is new, and the digest of the state after it."""
        return await self._log.rotate(state), state

    async def _fold_upto(self, upto_seq: int, state: bytes) -> None:
        directory = self._directory
        output = directory.snapshot_directory / f"{snapshot_name(upto_seq)}.tmp"
        request = FoldRequest(
            wal_directory=str(directory.wal_directory),
            snapshot_directory=str(directory.snapshot_directory),
            store_id=directory.store_id,
            base_seq=None if self.newest is None else self.newest.seq,
            upto_seq=upto_seq,
            output=str(output),
            now_ms=self._now_ms(),
            salt=self._random_u32(),
        )
        try:
            report = await self._fold(request)
            if isinstance(report, FoldFailure):
                await self._learn_from(report)
                return
            made = await self._hop(partial(self._check, output, upto_seq, state))
            await self._durably("rename", made.path, partial(_publish, directory.fs, output, made.path))
        finally:
            with trio.CancelScope(shield=True):
                await self._hop(partial(_remove_leftover, directory.fs, output))
        self.snapshots = (*self.snapshots, made)
        self._metrics.snapshots.labels("ok").inc()
        self._metrics.snapshot_seconds.observe(report.duration_s)
        _logger.info(
            "snapshot taken",
            seq=made.seq,
            entries=made.entries,
            events=report.events,
            size_bytes=made.size_bytes,
            duration_s=round(report.duration_s, 3),
        )

    async def _learn_from(self, failure: FoldFailure) -> None:
        """Do without a damaged snapshot, if there is another way to the state; else there is no snapshot now."""
        base = self.newest
        replaceable = len(self.snapshots) > 1 or self._log.first_seq == 1
        if base is not None and failure.damaged == str(base.path) and replaceable:
            move = partial(set_aside, self._directory.fs, base.path, self._directory.quarantine)
            saved = await self._durably("rename", base.path, move)
            self.snapshots = self.snapshots[:-1]
            _logger.error("a snapshot is damaged; it was set aside", why=failure.reason, now=str(saved))
            return
        if (
            base is not None
            and failure.errno == errno.ENOENT
            and not await self._hop(partial(self._directory.fs.exists, base.path))
        ):
            self.snapshots = self.snapshots[:-1]
            _logger.error("a snapshot is gone; somebody removed it", why=failure.reason)
            return
        if failure.errno in _NO_ROOM:
            raise SnapshotNoRoomError(f"no room for a snapshot: {failure.reason}")
        raise SnapshotFailedError(f"the fold failed: {failure.reason}")

    def _check(self, output: Path, upto_seq: int, state: bytes) -> SnapshotInfo:
        """What a fold made, if it is what it should be, as it will count. Raises ``SnapshotFailedError``.

        Where the fold stopped on the way, the state is known only if the log says so.
        """
        directory = self._directory
        base_seq = -1 if self.newest is None else self.newest.seq
        try:
            with closing(SnapshotReader(directory.fs, output, directory.store_id)) as made:
                seq = made.header.last_seq
                if not base_seq < seq <= upto_seq:
                    raise SnapshotFailedError(f"a snapshot of seq {seq} was not asked for")
                successor = read_header(directory.fs, directory.wal_directory, seq + 1, directory.store_id)
                if made.header.chain != successor.chain:
                    raise SnapshotFailedError(f"the snapshot of seq {seq} is not of this log")
                expected = state if seq == upto_seq else successor.state
                is_known = seq == upto_seq or expected != STATE_UNKNOWN
                if is_known and state_bytes(made.footer.digest) != expected:
                    raise SnapshotFailedError(f"the snapshot of seq {seq} has another digest than the server had")
                return _info(made, directory.snapshot_directory / snapshot_name(seq))
        except (DataDirectoryError, OSError) as cause:
            raise SnapshotFailedError(f"what the fold made cannot be used: {cause}") from cause

    async def _tidy_up(self) -> None:
        """Let go what is not kept: the snapshots first, since they need the segments."""
        wanted, below_seq = kept(self.snapshots, self._now_ms(), self._options)
        for snapshot in self.snapshots:
            if snapshot not in wanted:
                self.snapshots = tuple(each for each in self.snapshots if each is not snapshot)
                await self._durably("unlink", snapshot.path, partial(_remove, self._directory.fs, snapshot.path))
        if below_seq is not None:
            await self._log.trim(below_seq)

    async def _durably(self, name: str, path: Path, call: Callable[[], T]) -> T:
        """Change what names there are. An error of the disk is final: nobody knows which ones will be left."""
        try:
            return await self._hop(call)
        except OSError as cause:
            raise LogFailedError(name, path, cause) from cause


# --- on the disk -----------------------------------------------------------------------------------------


def _take_up(directory: DataDirectory) -> tuple[SnapshotInfo, ...]:
    """The snapshots of a directory, oldest first. What an interrupted fold left is removed, what is damaged set aside.

    The newest was read whole by recovery; the others count as long as nothing else shows.
    """
    fs, place = directory.fs, directory.snapshot_directory
    fs.make_directory(place)
    for name in fs.names(place):
        if name.endswith(".snap.tmp"):
            fs.remove(place / name)
    # The one before may have been killed between a rename and its sync: what counts must be there to stay, since the
    # log before it may go.
    fs.sync_directory(place)
    found = []
    for path in [place / snapshot_name(seq) for seq in snapshot_seqs(fs, place)]:
        try:
            with closing(SnapshotReader(fs, path, directory.store_id)) as snapshot:
                found.append(_info(snapshot, path))
        except DamagedError as damage:
            _logger.warning("a snapshot is damaged; it was set aside", why=str(damage))
            set_aside(fs, path, directory.quarantine)
    return tuple(found)


def _info(snapshot: SnapshotReader, path: Path) -> SnapshotInfo:
    header = snapshot.header
    return SnapshotInfo(
        path=path,
        seq=header.last_seq,
        entries=snapshot.footer.entry_count,
        size_bytes=snapshot.size_bytes,
        created_ms=header.created_ms,
        wall_ms=header.wall_ms,
    )


def _publish(fs: FileSystem, output: Path, path: Path) -> None:
    fs.rename(output, path)
    fs.sync_directory(path.parent)


def _remove(fs: FileSystem, path: Path) -> None:
    # Somebody may have made room by hand.
    with suppress(FileNotFoundError):
        fs.remove(path)
    fs.sync_directory(path.parent)


def _remove_leftover(fs: FileSystem, path: Path) -> None:
    # Nothing depends on it: where it cannot be removed, the next fold or the next start says so.
    with suppress(OSError):
        if fs.exists(path):
            fs.remove(path)
