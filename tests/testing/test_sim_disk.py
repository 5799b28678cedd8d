"""Which bytes a power cut leaves: nothing that was synced is lost, and nothing is there that cannot be explained."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synap.testing import EVERYTHING, NOTHING, ONLY_LENGTHS, SECTOR_BYTES, Survival
from synap.testing.sim_disk import Inode


def inode(synced: bytes, unsynced: bytes = b"") -> Inode:
    made = Inode()
    made.append(synced)
    made.sync()
    if unsynced:
        made.append(unsynced)
    return made


def after(made: Inode, survival: Survival | None = None, *, seed: int = 0) -> bytes:
    rng = Random(seed)
    made.lose_power(rng, survival or Survival.draw(rng))
    return bytes(made.live)


# --- the extremes ----------------------------------------------------------------------------------------


def test_nothing_survives_but_what_was_synced() -> None:
    assert after(inode(b"a" * 700, b"b" * 900), NOTHING) == b"a" * 700


def test_everything_survives() -> None:
    assert after(inode(b"a" * 700, b"b" * 900), EVERYTHING) == b"a" * 700 + b"b" * 900


def test_only_the_length_survives_and_shows_zeros() -> None:
    assert after(inode(b"a" * 700, b"b" * 900), ONLY_LENGTHS) == b"a" * 700 + b"\0" * 900


def test_a_truncation_is_undone_with_all_its_bytes() -> None:
    made = inode(b"a" * 1000)
    made.truncate(100)
    made.append(b"b" * 50)
    assert after(made, NOTHING) == b"a" * 1000


def test_a_truncation_survives_while_what_came_after_it_does_not() -> None:
    made = inode(b"a" * 1000)
    made.truncate(512)
    made.append(b"b" * 488)
    assert after(made, ONLY_LENGTHS) == b"a" * 1000
    made.truncate(512)
    assert after(made, EVERYTHING) == b"a" * 512


def test_what_a_power_cut_left_is_durable() -> None:
    made = inode(b"", b"b" * 900)
    left = after(made, EVERYTHING)
    assert after(made, NOTHING) == left


def test_a_cut_of_bytes_that_were_never_synced_may_be_undone() -> None:
    outcomes = set()
    for seed in range(1000):
        made = inode(b"", b"b" * 512)
        made.truncate(0)
        outcomes.add(after(made, seed=seed))
    assert {b"", b"b" * 512, b"\0" * 512} <= outcomes


# --- the chances -----------------------------------------------------------------------------------------


def test_all_kinds_of_outcome_are_frequent() -> None:
    synced, unsynced = b"a" * 700, b"b" * 5000
    kinds: Counter[str] = Counter()
    for seed in range(1000):
        left = after(inode(synced, unsynced), seed=seed)
        assert left[:700] == synced
        kinds[_kind(left[700:], unsynced)] += 1
    assert min(kinds[kind] for kind in ("nothing", "everything", "zeros", "shorter", "some sectors")) > 25


def _kind(left: bytes, unsynced: bytes) -> str:
    if left in {b"", unsynced}:
        return "everything" if left else "nothing"
    if left == bytes(len(left)):
        return "zeros"
    return "some sectors" if len(left) == len(unsynced) else "shorter"


def test_a_later_sector_may_survive_without_an_earlier_one() -> None:
    outcomes = {after(inode(b"", b"b" * 1024), seed=seed) for seed in range(200)}
    assert b"\0" * 512 + b"b" * 512 in outcomes
    assert b"b" * 512 + b"\0" * 512 in outcomes


def test_lengths_between_two_writes_are_seen() -> None:
    lengths = set()
    for seed in range(300):
        made = inode(b"", b"b" * 100)
        made.append(b"c" * 900)
        lengths.add(len(after(made, seed=seed)))
    assert {0, 1000} < lengths
    assert any(0 < length < 100 for length in lengths)
    assert any(100 < length < 1000 for length in lengths)


# --- the explanation of every outcome --------------------------------------------------------------------


@dataclass
class Explained:
    """An inode beside every content and every step of length that it had since its last sync."""

    inode: Inode = field(default_factory=Inode)
    synced: bytes = b""
    contents: list[bytes] = field(default_factory=lambda: [b""])
    lengths: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])

    def append(self, data: bytes) -> None:
        self.inode.append(data)
        start = self.lengths[-1][1]
        self.lengths.append((start, start + len(data)))
        self.contents.append(bytes(self.inode.live))

    def truncate(self, size: int) -> None:
        self.inode.truncate(size)
        self.lengths.append((size, size))
        self.contents.append(bytes(self.inode.live))

    def sync(self) -> None:
        self.inode.sync()
        self.synced = bytes(self.inode.live)
        self.contents = [self.synced]
        self.lengths = [(len(self.synced), len(self.synced))]

    def carry_out(self, steps: list[tuple[str, int]]) -> None:
        for number, (step, size) in enumerate(steps, start=1):
            if step == "append":
                self.append(bytes([number]) * size)
            elif step == "truncate":
                self.truncate(size)
            else:
                self.sync()

    def explains(self, left: bytes) -> bool:
        sectors = range(0, len(left), SECTOR_BYTES)
        return any(low <= len(left) <= high for low, high in self.lengths) and all(
            any(left[at : at + SECTOR_BYTES] == self._sector(content, at, len(left)) for content in self.contents)
            for at in sectors
        )

    @staticmethod
    def _sector(content: bytes, at: int, size: int) -> bytes:
        return content[at : at + SECTOR_BYTES].ljust(SECTOR_BYTES, b"\0")[: size - at]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 1500)),
        st.tuples(st.just("truncate"), st.integers(0, 3000)),
        st.tuples(st.just("sync"), st.just(0)),
    ),
    max_size=8,
)


@settings(deadline=None)
@given(STEPS, st.integers(0, 1 << 32))
def test_every_outcome_is_made_of_sectors_and_lengths_the_file_had(steps: list[tuple[str, int]], seed: int) -> None:
    file = Explained()
    file.carry_out(steps)
    assert file.explains(after(file.inode, seed=seed))


@settings(deadline=None)
@given(STEPS)
def test_the_extremes_are_exact(steps: list[tuple[str, int]]) -> None:
    for survival in (NOTHING, EVERYTHING):
        file = Explained()
        file.carry_out(steps)
        expected = file.synced if survival is NOTHING else file.contents[-1]
        assert after(file.inode, survival) == expected


# --- after a sync that failed ----------------------------------------------------------------------------


def test_a_later_sync_does_not_save_what_a_failed_one_lost() -> None:
    made = inode(b"a" * 700, b"b" * 900)
    made.fail_sync()
    made.sync()
    assert bytes(made.live) == b"a" * 700 + b"b" * 900
    assert after(made, EVERYTHING) == b"a" * 700 + b"\0" * 900


def test_after_a_failed_sync_the_length_may_survive_or_not() -> None:
    for survival, left in ((NOTHING, b"a" * 700), (EVERYTHING, b"a" * 700 + b"\0" * 900)):
        made = inode(b"a" * 700, b"b" * 900)
        made.fail_sync()
        assert after(made, survival) == left


def test_dropping_the_cache_shows_what_was_lost() -> None:
    made = inode(b"a" * 700, b"b" * 900)
    made.fail_sync()
    made.sync()
    made.drop_cache()
    assert bytes(made.live) == b"a" * 700 + b"\0" * 900


def test_dropping_the_cache_keeps_what_is_dirty() -> None:
    made = inode(b"a" * 700, b"b" * 900)
    made.fail_sync()
    made.append(b"c" * 10)
    made.drop_cache()
    assert bytes(made.live) == b"a" * 700 + b"\0" * (1536 - 700) + b"b" * 64 + b"c" * 10


def test_writing_to_a_lost_sector_makes_it_dirty_again() -> None:
    made = inode(b"a" * 700, b"b" * 900)
    made.fail_sync()
    made.append(b"c" * 10)
    made.sync()
    assert after(made, NOTHING) == b"a" * 700 + b"\0" * (1536 - 700) + b"b" * 64 + b"c" * 10


def test_what_is_lost_stays_lost_where_the_new_bytes_are_lost_too() -> None:
    made = inode(b"a" * 700, b"b" * 900)
    made.fail_sync()
    made.sync()
    made.append(b"c" * 10)
    assert after(made, NOTHING) == b"a" * 700 + b"\0" * 900


def test_cutting_off_lost_sectors_is_done_with_them() -> None:
    made = inode(b"a" * 700, b"b" * 900)
    made.fail_sync()
    made.truncate(512)
    made.append(b"c" * 1000)
    made.sync()
    assert after(made, NOTHING) == b"a" * 512 + b"c" * 1000


def test_a_failed_sync_after_a_truncation_keeps_the_old_bytes() -> None:
    made = inode(b"a" * 1000)
    made.truncate(512)
    made.append(b"b" * 488)
    made.fail_sync()
    assert bytes(made.live) == b"a" * 512 + b"b" * 488
    assert after(made, EVERYTHING) == b"a" * 1000


def test_a_failing_sync_of_a_clean_file_loses_nothing() -> None:
    made = inode(b"a" * 700)
    made.fail_sync()
    assert after(made, NOTHING) == b"a" * 700


@pytest.mark.parametrize("seed", range(20))
def test_what_was_synced_before_the_failure_survives_it(seed: int) -> None:
    made = inode(b"a" * 700, b"b" * 900)
    made.fail_sync()
    made.append(b"c" * 2000)
    assert after(made, seed=seed)[:700] == b"a" * 700
