"""The compiled digest beside the reference: the same numbers for the same entries, whatever their size."""

import gc
import threading
import tracemalloc
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.keyspace.digest import PurePythonDigest, entry_digest_in_python
from synap.radix import Item

from .build import NOW
from .test_digest import GOLDEN, ITEMS

COMPILED = "synap.keyspace._digest_c"

if find_spec(COMPILED) is None:
    pytest.skip("the twin was not built", allow_module_level=True)

TWIN = import_module(COMPILED)


def test_the_number_of_an_entry_is_fixed() -> None:
    assert TWIN.entry_digest(b"session:1", 1, b'{"user":7}', NOW, 42) == GOLDEN


@given(
    st.binary(max_size=300),
    st.integers(0, 255),
    st.binary(max_size=300),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**64 - 1),
)
def test_any_entry_has_the_same_number(
    key: bytes, kind: int, value: bytes, deadline_ms: int | None, version: int
) -> None:
    fields = (key, kind, value, deadline_ms, version)
    assert TWIN.entry_digest(*fields) == entry_digest_in_python(*fields)


@pytest.mark.parametrize("size", [0, 1, 16 * 1024 - 23, 16 * 1024 - 22, 16 * 1024 - 21, 16 * 1024, 65_535, 9_000_000])
def test_entries_at_the_edge_of_the_buffer_and_beyond_it(size: int, seed: int) -> None:
    text = Random(seed).randbytes(size)
    for fields in ((b"k", 1, text, None, 7), (text, 2, b"v", 2**53, 2**64 - 1), (text[:99], 0, text, 0, 1)):
        assert TWIN.entry_digest(*fields) == entry_digest_in_python(*fields)


@given(ITEMS, ITEMS, ITEMS, ITEMS)
def test_what_passes_comes_and_goes_makes_the_same_digest(
    passing: list[Item], added: list[Item], removed: list[Item], changed: list[Item]
) -> None:
    values = []
    for digest in (PurePythonDigest(), TWIN.CompiledDigest()):
        assert list(digest.of(iter(passing))) == passing
        for item in added:
            digest.add(*item)
        for item in removed:
            digest.exchange(item[0], item[1:], None)
        for item in changed:
            digest.exchange(item[0], item[1:], (0, item[2], None, 1))
            digest.exchange(item[0], None, item[1:])
            digest.exchange(item[0], None, None)
        values.append(digest.value)
    assert values[0] == values[1]


def test_a_sum_goes_over_both_halves_and_back() -> None:
    """Many enough that carries and borrows between and beyond them come about."""
    pure, twin = PurePythonDigest(), TWIN.CompiledDigest()
    for number in range(200):
        item: Item = (b"%d" % number, 0, b"v", None, number + 1)
        for digest in (pure, twin):
            digest.add(*item)
            digest.exchange(b"another", item[1:], None)
        assert twin.value == pure.value


def test_what_the_items_raise_comes_out_and_what_passed_before_counts() -> None:
    first: Item = (b"a", 0, b"", None, 1)

    def broken() -> Iterator[Item]:
        yield first
        raise LookupError("broken")

    digest = TWIN.CompiledDigest()
    with pytest.raises(LookupError, match="broken"):
        list(digest.of(broken()))
    assert digest.value == entry_digest_in_python(*first)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (("text", 0, b"", None, 1), TypeError),
        ((b"", 0, None, None, 1), TypeError),
        ((b"", 0, b"", b"", 1), TypeError),
        ((b"", 0, b"", 2**63, 1), OverflowError),
        ((b"", 0, b"", None, -1), OverflowError),
        ((b"", 0, b"", None, 2**64), OverflowError),
    ],
)
def test_what_is_no_entry_is_an_error_and_does_no_harm(fields: tuple[object, ...], error: type[Exception]) -> None:
    digest = TWIN.CompiledDigest()
    with pytest.raises(error):
        digest.add(*fields)
    with pytest.raises(error):
        list(digest.of([fields]))
    key, *entry = fields
    # Nor does what is right of the two.
    for before, after in ((tuple(entry), None), (None, tuple(entry)), ((0, b"", None, 1), tuple(entry))):
        with pytest.raises(error):
            digest.exchange(key, before, after)
    assert digest.value == 0
    assert TWIN.entry_digest(b"session:1", 1, b'{"user":7}', NOW, 42) == GOLDEN


def test_it_keeps_nothing() -> None:
    items: list[Item] = [(b"k", 0, bytes(size), None, size + 1) for size in (0, 300, 20_000)]

    def hash_all() -> None:
        list(TWIN.CompiledDigest().of(items))
        with pytest.raises(TypeError):
            TWIN.entry_digest(b"k", 0, None, None, 1)

    def kept_by(times: int) -> int:
        for _ in range(times):
            hash_all()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        # What the interpreter itself sets aside is there after the first ones.
        before = kept_by(300)
        assert kept_by(600) - before < 2000
    finally:
        tracemalloc.stop()


def test_threads_do_not_disturb_each_other(seed: int) -> None:
    """One buffer serves all of them."""
    texts = [Random(seed + number).randbytes(15_000) for number in range(4)]
    found: list[set[int]] = []

    def hash_again_and_again(number: int) -> None:
        found.append({TWIN.entry_digest(b"k", 0, texts[number], None, number) for _ in range(2000)})

    threads = [threading.Thread(target=hash_again_and_again, args=(number,)) for number in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = [{entry_digest_in_python(b"k", 0, text, None, number)} for number, text in enumerate(texts)]
    assert sorted(map(min, found)) == sorted(map(min, expected))
    assert all(len(numbers) == 1 for numbers in found)
