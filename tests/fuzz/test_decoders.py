"""For a minute, every decoder is fed mutants of valid files; nothing but typed errors and what may be may come out.

A failure names its seed and its iteration: each mutant is made by random numbers of its own, so that
``mutant_of(target, seed, iteration)`` is that one again, however long it took to get there.
"""

import re
import tracemalloc
from collections import Counter
from random import Random
from time import monotonic
from types import SimpleNamespace
from typing import Annotated, TypeAlias

import cbor2
import msgspec
import pytest

from synap.errors import CodecError
from synap.events import Event
from synap.rows import look_over, row_decoder
from synap.snapshot import format as snapshot_layout
from synap.wal import format as log_layout
from synap.wal.segment import SegmentReader

from .targets import LEVELS, Blocks, Mutant, Payloads, Segments, Snapshots, StoreFiles, Target

BUDGET_S: dict[type[Target], float] = {Segments: 20.0, Snapshots: 20.0, Payloads: 8.0, Blocks: 4.0, StoreFiles: 3.0}
"""How long each decoder is fed; ``--soak`` multiplies it."""

LEAST_MUTANTS = 2500
"""So many are made in any case, or a slow machine would have too few of a kind. They take some seconds."""

CONTROL_BUDGET_S = 60.0
"""Within so long each sabotage must be noticed. It takes a second or two; a machine may be busy with something else."""

PEAK_BYTES = log_layout.MAX_RAW_BYTES + 16 * 1024 * 1024
"""What decoding may take: the largest payload that a limit admits, and something for small files to become."""


class FindingError(Exception):
    """Something came of a mutant that must not."""


def mutant_of(target: Target, seed: object, iteration: int) -> Mutant:
    """The mutant of this iteration."""
    return target.mutant(Random(f"{seed} {type(target).__name__} {iteration}"))


def feed(target: Target, seed: object, budget_s: float) -> Counter[tuple[str, bool]]:
    """Feed a decoder for so long; how many mutants of each level came to something (True), and to nothing.

    Where the machine is slow, it takes longer: see ``LEAST_MUTANTS``. Raises ``FindingError``.
    """
    outcomes: Counter[tuple[str, bool]] = Counter()
    ends_s = monotonic() + budget_s
    tracemalloc.start()
    try:
        while monotonic() < ends_s or outcomes.total() < LEAST_MUTANTS:
            mutant = mutant_of(target, seed, outcomes.total())
            try:
                accepted = check_modestly(target, mutant)
            except Exception as error:
                place = f"{type(target).__name__}, --seed {seed}, iteration {outcomes.total()}, level {mutant.level}"
                start = mutant.data[:2000].hex()
                raise FindingError(f"{place}: {error!r}; {len(mutant.data)} bytes, {start}") from error
            outcomes[mutant.level, accepted] += 1
    finally:
        tracemalloc.stop()
    return outcomes


def check_modestly(target: Target, mutant: Mutant) -> bool:
    tracemalloc.reset_peak()
    accepted = target.check(mutant)
    _, peak = tracemalloc.get_traced_memory()
    assert peak < PEAK_BYTES, f"{peak:,} bytes were taken"
    return accepted


@pytest.mark.parametrize("kind", BUDGET_S)
def test_nothing_comes_of_a_mutant_but_what_may(kind: type[Target], seed: int, pytestconfig: pytest.Config) -> None:
    target = kind()
    outcomes = feed(target, seed, BUDGET_S[kind] * pytestconfig.getoption("--soak"))
    # Mutants that are all refused at the first look would show nothing of what lies behind it.
    for level in LEVELS:
        assert outcomes[level, False] > 50, outcomes
        assert outcomes[level, True] > 0, outcomes


@pytest.mark.parametrize("kind", BUDGET_S)
def test_what_is_valid_is_accepted(kind: type[Target]) -> None:
    target = kind()
    for origin, data in enumerate(target.originals):
        assert target.check(Mutant(data, "bytes", origin))
        assert target.repaired(data) == data


@pytest.mark.parametrize("kind", BUDGET_S)
def test_an_iteration_can_be_repeated(kind: type[Target], seed: int) -> None:
    first, second = kind(), kind()
    for iteration in range(50):
        assert mutant_of(first, seed, iteration) == mutant_of(second, seed, iteration)


# --- negative controls ---------------------------------------------------------------------------------------


def finding(target: Target) -> FindingError:
    """What shows of a sabotage within the time that there is."""
    with pytest.raises(FindingError) as caught:
        feed(target, "control", CONTROL_BUDGET_S)
    return caught.value


class AnyNumber(int):
    """A checksum that is always the right one."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 0


ALWAYS_RIGHT = SimpleNamespace(crc32=lambda *_: AnyNumber())


def test_it_notices_that_payloads_of_a_segment_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Segments()
    monkeypatch.setattr(SegmentReader, "_payload", lambda self, header: rest_of(self)[: header.payload_length])
    finding(target)


def rest_of(segment: SegmentReader) -> bytes:
    """What stands behind the header of the frame at hand."""
    return segment._data[segment.offset + log_layout.FRAME_HEADER_BYTES :]


def test_it_notices_that_headers_of_a_segment_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Segments()
    monkeypatch.setattr(log_layout, "zlib", ALWAYS_RIGHT)
    finding(target)


@pytest.mark.parametrize("kind", [Segments, Snapshots])
def test_it_notices_that_a_claimed_length_is_believed(kind: type[Target], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody compares what a zstd frame says of its own length, terabytes are asked for."""
    target = kind()
    monkeypatch.setattr("zstandard.frame_content_size", lambda _: AnyNumber())
    assert re.search("MemoryError|bytes were taken", str(finding(target)))


def test_it_notices_that_checksums_of_a_snapshot_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Snapshots()
    monkeypatch.setattr(snapshot_layout, "crc_is", lambda *_: True)
    assert "believed" in str(finding(target))


def test_it_notices_that_the_order_of_keys_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Snapshots()
    monkeypatch.setattr("synap.snapshot.reader.look_over", lambda rows, _: (look_over(rows, None)[0], True))
    finding(target)


def test_it_notices_that_the_checksum_of_store_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    target = StoreFiles()
    monkeypatch.setattr("synap.datadir.zlib", ALWAYS_RIGHT)
    assert "believed" in str(finding(target))


def test_it_notices_errors_of_other_types(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(payload: bytes) -> list[Event]:
        try:
            return msgspec.convert(cbor2.loads(payload), type=list[Event], builtin_types=(bytes,))
        except msgspec.ValidationError as cause:
            raise CodecError(str(cause)) from cause

    target = Payloads()
    monkeypatch.setattr("tests.fuzz.targets.decode_events", decode)
    assert isinstance(finding(target).__cause__, cbor2.CBORError)


Natural: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


def test_it_notices_a_twin_that_lets_pass_what_the_reference_does_not() -> None:
    target = Blocks()
    target.decoder = row_decoder(list[tuple[bytes, Natural, bytes, Natural | None, Natural]])
    finding(target)
