"""What a start finds in a log: exactly what was logged, or a refusal that names the place; interrupted anywhere."""

import gc
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path
from random import Random

import pytest

from synap.clock import ManualClock
from synap.codec import encode_events
from synap.commands import DeletePrefix, Expire
from synap.datadir import IN_THE_DIRECTORY, DataDirectory, open_data_directory
from synap.errors import DamagedError, NewerFormatError
from synap.events import DeadlineSet, EntryDeleted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.fs import read_all
from synap.keyspace import Keyspace, Limits
from synap.radix import new_tree
from synap.recovery import RecoveryReport, recover, replay
from synap.store import LogOptions, open_store
from synap.tasks import open_tasks
from synap.telemetry import Metrics
from synap.testing import CrashAt, FailAt, SimulatedCrash, SimulatedFileSystem
from synap.wal.interface import Frame
from synap.wal.reader import LogEnd
from tests.wal.build import DATA, STORE_ID, T0_MS, WAL, Forge, disk_of, files_of

from .engine import NOW, inline, set_text

EVENTS: list[Event] = [
    EntrySet(b"a", 0, b"1", None),
    EntrySet(b"b", 1, b"[]", NOW + 5),
    DeadlineSet(b"b", NOW + 9),
    EntrySet(b"c:1", 2, b"\xff", NOW),
    EntrySet(b"c:2", 0, b"", None),
    EntryExpired(b"c:1"),
    PrefixDeleted(b"c:"),
    EntryDeleted(b"a"),
    EntrySet(b"a", 0, b"2", None),
]


def state_after(events: list[Event]) -> Keyspace:
    keyspace = Keyspace(new_tree())
    for seq, event in enumerate(events, 1):
        keyspace.apply(seq, event)
    return keyspace


def forged(*batches: list[Event]) -> Forge:
    segment = Forge()
    for batch in batches:
        segment.batch(encode_events(batch), len(batch))
    return segment


def directory_of(*segments: Forge) -> DataDirectory:
    """A data directory that is locked and holds these segments."""
    fs = disk_of({segment.path: bytes(segment.data) for segment in segments})
    return DataDirectory(fs, DATA, IN_THE_DIRECTORY, STORE_ID, fs.lock(DATA / "LOCK", ""))


def recovered(directory: DataDirectory) -> tuple[Keyspace, LogEnd, RecoveryReport]:
    return recover(directory, lambda _: None)


# --- what is found ---------------------------------------------------------------------------------------


def test_the_state_is_that_of_the_events() -> None:
    keyspace, end, report = recovered(directory_of(forged(EVENTS[:1], EVENTS[1:6], EVENTS[6:])))
    expected = state_after(EVENTS)
    assert (keyspace.seq, keyspace.digest) == (expected.seq, expected.digest)
    assert list(keyspace.tree.items()) == list(expected.tree.items())
    assert (end.last_seq, report.events) == (9, 9)


def test_the_report_of_a_log_that_was_closed() -> None:
    first = forged(EVENTS[:4]).seal()
    second = Forge(first_seq=5, chain=first.chain).batch(encode_events(EVENTS[4:]), 5).seal()
    _, end, report = recovered(directory_of(first, second))
    assert report == RecoveryReport(
        snapshot_seq=None,
        entries=0,
        events=9,
        segments=2,
        log_bytes=len(first.data) + len(second.data),
        duration_s=report.duration_s,
        clean=True,
        torn_bytes=0,
        torn_copy=None,
        set_aside=(),
        strange_seqs=(),
    )
    assert 0 < report.duration_s < 60
    assert end.first_seqs == (1, 5)


def test_the_report_of_a_log_that_was_not() -> None:
    _, _, report = recovered(directory_of(forged(EVENTS)))
    assert (report.clean, report.torn_bytes, report.torn_copy) == (False, 0, None)


def test_an_empty_log() -> None:
    keyspace, end, report = recovered(directory_of(Forge().seal()))
    assert (keyspace.seq, keyspace.digest, end.last_seq, report.events, report.clean) == (0, 0, 0, 0, True)


def test_a_torn_tail_is_cut_off_and_kept() -> None:
    segment = forged(EVENTS[:4], EVENTS[4:])
    whole = segment.starts[1]
    torn = bytes(segment.data[whole:-20])
    del segment.data[-20:]
    directory = directory_of(segment)
    keyspace, end, report = recovered(directory)
    assert (keyspace.seq, end.last_seq, report.events) == (4, 4, 4)
    assert (report.torn_bytes, report.clean) == (len(torn), False)
    assert report.torn_copy is not None
    assert report.torn_copy.parent == directory.quarantine
    assert read_all(directory.fs, report.torn_copy) == torn
    assert read_all(directory.fs, segment.path) == segment.data[:whole]
    # The next start finds nothing torn any more, and the same state.
    again, _, second = recovered(directory)
    assert (again.seq, again.digest, second.torn_bytes) == (keyspace.seq, keyspace.digest, 0)


def test_what_the_keyspace_has_already_is_not_applied_again() -> None:
    """As where somebody looks at a log from the middle of a batch on."""
    keyspace = state_after(EVENTS[:3])
    frames = forged(EVENTS[:2], EVENTS[2:6], EVENTS[6:]).read()
    assert replay(frames, keyspace, WAL) == 6
    expected = state_after(EVENTS)
    assert (keyspace.seq, keyspace.digest) == (9, expected.digest)
    assert replay(frames, keyspace, WAL) == 0
    assert (keyspace.seq, keyspace.digest) == (9, expected.digest)


# --- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "claimed", "reason"),
    [
        (encode_events(EVENTS[4:6]), 3, "a batch of 3 events holds 2"),
        (encode_events(EVENTS[4:7]), 2, "a batch of 2 events holds 3"),
        (b"\x81\x82\x00\x41a", 1, "not rows of the expected shape"),
        (b"", 1, "not rows of the expected shape"),
        (encode_events(EVENTS[4:5]) + b"\0", 1, "1 bytes follow the rows"),
    ],
    ids=["fewer than claimed", "more than claimed", "no event", "nothing", "something behind"],
)
def test_a_frame_whose_content_is_a_lie(payload: bytes, claimed: int, reason: str) -> None:
    segment = forged(EVENTS[:4]).batch(payload, claimed).batch(encode_events(EVENTS[4:5]), 1)
    directory = directory_of(segment)
    before = files_of(directory.fs, WAL)
    with pytest.raises(DamagedError, match=reason) as caught:
        recovered(directory)
    assert (caught.value.seq, caught.value.path) == (5, segment.path)
    assert files_of(directory.fs, WAL) == before
    assert not directory.fs.exists(directory.quarantine)


def test_an_event_of_a_newer_version_is_no_damage() -> None:
    """Nothing is to be repaired: whoever wrote it can read it."""
    segment = forged(EVENTS[:4]).batch(b"\x82\x82\x02\x41a\x82\x18\x63\x41a", 2)
    directory = directory_of(segment)
    before = files_of(directory.fs, WAL)
    with pytest.raises(NewerFormatError, match="seq 6: events of type 99 are of a newer version of Synap") as caught:
        recovered(directory)
    assert (caught.value.path, caught.value.exit_code) == (segment.path, 76)
    assert files_of(directory.fs, WAL) == before
    assert not directory.fs.exists(directory.quarantine)


def test_a_damaged_log_is_left_as_it_is() -> None:
    segment = forged(EVENTS[:4], EVENTS[4:], EVENTS[:1])
    segment.data[segment.starts[1] + 80] ^= 1
    directory = directory_of(segment)
    before = files_of(directory.fs, WAL)
    with pytest.raises(DamagedError) as caught:
        recovered(directory)
    assert caught.value.seq == 5
    assert files_of(directory.fs, WAL) == before


def test_replay_names_the_place_it_was_given() -> None:
    frames = [Frame(1, 1, NOW, encode_events(EVENTS[:1])), Frame(2, 1, NOW, b"\xff")]
    keyspace = Keyspace(new_tree())
    with pytest.raises(DamagedError) as caught:
        replay(frames, keyspace, Path("/somewhere"))
    assert (caught.value.path, caught.value.seq, keyspace.seq) == (Path("/somewhere"), 2, 1)


# --- progress --------------------------------------------------------------------------------------------


def test_progress_goes_from_nothing_to_all() -> None:
    segments = []
    seq, chain = 1, bytes(16)
    for _ in range(4):
        segment = Forge(first_seq=seq, chain=chain)
        for _ in range(100):
            segment.batch(encode_events(EVENTS[:2]), 2)
        segments.append(segment.seal())
        seq, chain = segment.next_seq, segment.chain
    shares: list[float] = []
    recover(directory_of(*segments), shares.append)
    assert 50 < len(shares) <= 100
    assert all(earlier < later for earlier, later in pairwise(shares))
    assert 0 < shares[0] < 0.05
    assert 0.95 < shares[-1] <= 1


# --- the garbage collector -------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def garbage_collection() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("enabled", [False, True])
def test_the_garbage_collector_is_left_as_it_was(damaged: bool, enabled: bool) -> None:
    segment = forged(EVENTS)
    if damaged:
        segment.batch(b"", 1).tick()
    directory = directory_of(segment)
    if not enabled:
        gc.disable()
    during: list[bool] = []
    try:
        recover(directory, lambda _: during.append(gc.isenabled()))
    except DamagedError:
        assert damaged
    assert gc.isenabled() == enabled
    assert set(during) == {False}
    # What was loaded is left alone from now on; what was given up is not.
    assert (gc.get_freeze_count() > 0) == (not damaged)


# --- interrupted -----------------------------------------------------------------------------------------


async def a_torn_log(rng: Random) -> SimulatedFileSystem:
    """What a real store leaves behind that is killed in the middle of a write, after several rotations."""
    fs = SimulatedFileSystem()
    directory = open_data_directory(fs, DATA, now_ms=T0_MS, random_bytes=rng.randbytes)
    clock = ManualClock(T0_MS)
    store, _ = open_store(
        directory,
        clock,
        options=LogOptions(segment_max_bytes=600),
        limits=Limits(),
        metrics=Metrics(),
        random_u32=lambda: rng.getrandbits(32),
        hop=inline,
    )
    async with open_tasks() as tasks:
        tasks.start_soon(store.run)
        for number in range(12):
            await store.execute(set_text(b"k:%d" % number, rng.randbytes(100), rng.choice([None, 5000])))
            clock.advance(10)
        await store.execute(Expire(b"k:3", 77_777))
        await store.execute(DeletePrefix(b"k:1"))
        tasks.cancel_scope.cancel()
    fs.kill()
    last = max(name for name in fs.names(WAL) if name.endswith(".wal"))
    with_tail = fs.open(WAL / last, writable=True)
    with_tail.write(b"SYNF" + rng.randbytes(50))
    with_tail.datasync()
    return fs


async def test_recovery_may_be_interrupted_at_any_call(seed: int) -> None:
    """By the end of the process or of the power; the next one comes to the same state and the same tail."""
    undisturbed = await recover_all(await a_torn_log(Random(seed)))
    for nth in count(1):
        rng = Random(f"{seed}:{nth}")
        fs = await a_torn_log(Random(seed))
        fs.faults[:] = [CrashAt(nth, rng)]
        try:
            await recover_all(fs)
        except SimulatedCrash:
            fs.faults[:] = []
            if nth % 2:
                fs.crash(rng)
            else:
                fs.kill()
            assert await recover_all(fs) == undisturbed, f"after a crash at call {nth}"
        else:
            break
    assert nth > 5


async def recover_all(fs: SimulatedFileSystem) -> tuple[int, int, LogEnd, set[bytes]]:
    """Number and digest of the state, where the log ends, and what is kept in quarantine."""
    directory = open_data_directory(fs, DATA, now_ms=T0_MS)
    keyspace, _, _ = recovered(directory)
    kept = set(files_of(fs, directory.quarantine).values())
    again, second, _ = recovered(directory)
    assert (again.seq, again.digest, second.torn) == (keyspace.seq, keyspace.digest, None)
    directory.close()
    return keyspace.seq, keyspace.digest, second, kept


def test_an_error_of_the_disk_comes_out_as_it_is() -> None:
    directory = directory_of(forged(EVENTS))
    assert isinstance(directory.fs, SimulatedFileSystem)
    directory.fs.faults[:] = [FailAt("read", 1, 5)]
    with pytest.raises(OSError, match="Input/output error"):
        recovered(directory)
