"""Thousands of histories a run, each decided by its seed.

A failure names its seed; ``pytest tests/simulation -k promises --seed 4711`` begins with that one.
"""

import errno
from collections.abc import Callable, Iterator

import pytest
import structlog

from synap.errors import LogFailedError
from synap.testing import FailAt, Fault, LyingSync
from synap.wal.local import FsyncMode
from synap.wal.writer import SegmentWriter
from tests.simulation.world import BrokenPromiseError, World

LIVES = 4
HISTORIES = 800
"""For each fsync mode; ``--soak`` multiplies it."""

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


def live_through(seed: int, mode: FsyncMode) -> None:
    world = World(seed, mode)
    try:
        world.run(LIVES)
    except BaseException as error:
        error.add_note(f"seed {seed}, fsync {mode}; the last calls on the disk:\n{world.fs.history()}")
        raise


# --- negative controls: a watcher that notices nothing would prove nothing -------------------------------


def violations(
    mode: FsyncMode, sabotage: Callable[[int], list[Fault]] = lambda _: [], believed: FsyncMode | None = None
) -> Iterator[BaseException]:
    """What the watcher notices in each history; ``sabotage`` makes the faults for a seed."""
    for seed in range(CONTROL_SEEDS):
        try:
            World(seed, mode, believed=believed, sabotage=tuple(sabotage(seed))).run(LIVES)
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
