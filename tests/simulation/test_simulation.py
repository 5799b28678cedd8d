"""Thousands of histories a run, each decided by its seed.

A failure names its seed; ``pytest tests/simulation -k promises --seed 4711`` begins with that one.
"""

import errno
from collections.abc import Callable, Iterator

import pytest
import structlog

from synap import committer as committer_module
from synap.errors import LogFailedError
from synap.events import EntryEvicted
from synap.keyspace import Overlay, Room
from synap.testing import FailAt, Fault, LyingSync
from synap.wal.local import FsyncMode
from synap.wal.writer import SegmentWriter
from tests.simulation.world import BrokenPromiseError, WatchedRoom, World

LIVES = 4
HISTORIES = 800
"""For each fsync mode; ``--soak`` multiplies it."""

LIMITED_HISTORIES = 1200
"""For all fsync modes together."""

KEPT_SEEDS = (0, 4, 94, 98, 187, 195, 265)
"""Seeds that once found something: an answer for a write whose commit was interrupted, wrong beliefs of the watcher."""

CONTROL_SEEDS = 400
"""Within so many histories each sabotage must be noticed."""


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    """The worlds step their clocks all the time, which the store reports each time."""
    with structlog.testing.capture_logs():
        yield


@pytest.mark.parametrize("mode", FsyncMode)
def test_promises_hold(mode: FsyncMode, seed: int, pytestconfig: pytest.Config) -> None:
    count = HISTORIES * pytestconfig.getoption("--soak")
    for each in (*range(seed, seed + count), *KEPT_SEEDS):
        live_through(each, mode)


@pytest.mark.usefixtures("watched_room")
def test_promises_hold_within_a_memory_limit(seed: int, pytestconfig: pytest.Config) -> None:
    for each in range(seed, seed + LIMITED_HISTORIES * pytestconfig.getoption("--soak")):
        live_through(each, list(FsyncMode)[each % 3], limited=True)


@pytest.fixture
def watched_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer_module, "Room", WatchedRoom)


def live_through(seed: int, mode: FsyncMode, *, limited: bool = False) -> None:
    world = World(seed, mode, limited=limited)
    try:
        world.run(LIVES)
    except BaseException as error:
        error.add_note(f"seed {seed}, fsync {mode}; the last calls on the disk:\n{world.fs.history()}")
        raise


# --- negative controls: a watcher that notices nothing would prove nothing -------------------------------


def violations(
    mode: FsyncMode,
    sabotage: Callable[[int], list[Fault]] = lambda _: [],
    believed: FsyncMode | None = None,
    *,
    limited: bool = False,
) -> Iterator[BaseException]:
    """What the watcher notices in each history; ``sabotage`` makes the faults for a seed."""
    for seed in range(CONTROL_SEEDS):
        try:
            World(seed, mode, believed=believed, sabotage=tuple(sabotage(seed)), limited=limited).run(LIVES)
        except Exception as error:  # noqa: BLE001  # a store that does not start again is a broken promise, too
            yield error


@pytest.mark.parametrize(
    "sabotage",
    [
        pytest.param(LyingSync("datasync", "*.wal.tmp"), id="fsync of the log left out"),
        pytest.param(LyingSync("sync_directory", "wal"), id="fsync of the log's directory left out"),
        pytest.param(LyingSync("datasync", "*.snap.tmp"), id="fsync of snapshots left out"),
        pytest.param(LyingSync("sync_directory", "snapshot"), id="fsync of the snapshots' directory left out"),
    ],
)
def test_a_lying_disk_is_noticed(sabotage: Fault) -> None:
    assert next(violations(FsyncMode.ALWAYS, lambda _: [sabotage]), None)


def test_an_acknowledgement_before_the_fsync_is_noticed() -> None:
    found = next(violations(FsyncMode.NEVER, believed=FsyncMode.ALWAYS), None)
    assert isinstance(found, BrokenPromiseError)


def test_an_fsync_tried_again_after_an_error_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest: Callable[[SegmentWriter], None] = SegmentWriter.sync

    def stubborn(segment: SegmentWriter) -> None:
        try:
            honest(segment)
        except LogFailedError:
            honest(segment)

    def one_error(seed: int) -> list[Fault]:
        return [FailAt("datasync", seed % 20 + 1, errno.EIO, "wal/*")]

    def broken_promises() -> Iterator[BaseException]:
        # The error may come at the very last opening, too, which nobody is there to begin again.
        found = violations(FsyncMode.ALWAYS, one_error)
        return (error for error in found if not isinstance(error, LogFailedError | OSError))

    assert next(broken_promises(), None) is None
    monkeypatch.setattr(SegmentWriter, "sync", stubborn)
    assert next(broken_promises(), None)


@pytest.mark.usefixtures("watched_room")
def test_an_eviction_that_is_not_logged_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def evict_from_memory_alone(overlay: Overlay, key: bytes) -> None:
        overlay.keyspace.apply(overlay.keyspace.seq, EntryEvicted(key))

    monkeypatch.setattr(Overlay, "evict", evict_from_memory_alone)
    assert next(violations(FsyncMode.ALWAYS, limited=True), None)


@pytest.mark.usefixtures("watched_room")
def test_a_write_that_is_let_pass_the_limit_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Room, "_make_room", lambda *_: None)
    found = next(violations(FsyncMode.ALWAYS, limited=True), None)
    assert isinstance(found, BrokenPromiseError)
    assert "bytes are taken" in str(found)
