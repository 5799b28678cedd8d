"""Rows to bytes and back: one form for the same rows, and whatever else could stand in a payload."""

import struct
import tracemalloc
from time import perf_counter
from typing import Annotated, TypeAlias

import cbor2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synap.cbor import decode_rows, encode_rows
from synap.errors import CodecError

Pair: TypeAlias = tuple[bytes, Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None]
"""The shape of these tests: all that occurs in events and snapshots occurs in it."""

ROWS = [(b"key", 7), (b"", None)]
GOLDEN = bytes.fromhex("82" + "82436b6579 07" + "8240 f6")


def decode(payload: bytes) -> list[Pair]:
    return decode_rows(payload, list[Pair])


# --- there and back ------------------------------------------------------------------------------------------


def test_the_stored_form_never_changes() -> None:
    assert encode_rows(ROWS) == encode_rows([list(row) for row in ROWS]) == GOLDEN
    assert decode(GOLDEN) == ROWS


def test_no_rows_are_one_byte() -> None:
    assert encode_rows([]) == b"\x80"
    assert decode(b"\x80") == []


@given(st.lists(st.tuples(st.binary(max_size=70), st.none() | st.integers(0, 2**53)), max_size=30))
def test_rows_come_back_and_always_as_the_same_bytes(rows: list[Pair]) -> None:
    payload = encode_rows(rows)
    assert decode(payload) == rows
    assert encode_rows(decode(payload)) == payload


@pytest.mark.parametrize(
    ("number", "head"),
    [
        (0, "00"), (23, "17"), (24, "1818"), (255, "18ff"), (256, "190100"), (65_535, "19ffff"), (65_536, "1a00010000"),
        (2**32 - 1, "1affffffff"), (2**32, "1b0000000100000000"), (2**53, "1b0020000000000000"),
    ],
)  # fmt: skip
def test_a_number_has_its_shortest_form(number: int, head: str) -> None:
    assert encode_rows([(b"", number)]) == bytes.fromhex("8182 40" + head)


@pytest.mark.parametrize(
    ("length", "head"), [(23, "57"), (24, "5818"), (255, "58ff"), (256, "590100"), (65_536, "5a00010000")]
)
def test_a_length_has_its_shortest_form(length: int, head: str) -> None:
    assert encode_rows([(bytes(length), None)]).startswith(bytes.fromhex("8182" + head) + b"\0")


def test_many_rows_and_large_ones_come_back() -> None:
    many = [(b"%d" % number, number) for number in range(70_000)]
    assert decode(encode_rows(many)) == many
    large = [(bytes(3_000_000), number) for number in range(10)]
    assert decode(encode_rows(large)) == large


def test_longer_forms_of_a_number_are_let_pass() -> None:
    """No checksum lets them come about by accident, and they mean what they say."""
    assert decode(bytes.fromhex("9801 9802 5801 6b 1b0000000000000007")) == [(b"k", 7)]


# --- what no encoder writes ----------------------------------------------------------------------------------

WRONG: dict[str, bytes | object] = {
    "nothing": b"",
    "cut": GOLDEN[:-1],
    "a trailing byte": GOLDEN + b"\0",
    "two payloads": GOLDEN * 2,
    "null": None,
    "a number": 7,
    "a negative number": -7,
    "a map": {1: 2},
    "a text": "rows",
    "bytes": b"\x44rows",
    "a boolean": True,
    "a float": 1.5,
    "undefined": b"\xf7",
    "a break": b"\xff",
    "rows that are no arrays": [1, 2],
    "rows that are texts": ["ab", "cd"],
    "rows that are bytes": [b"ab"],
    "rows that are maps": [{1: 2}],
    "an empty row": [[]],
    "a field too few": [[b"k"]],
    "a field too many": [[b"k", 1, 1]],
    "only the last row wrong": [[b"k", 1]] * 1000 + [[b"k", -1]],
    "bytes as text": [["k", 1]],
    "bytes as text that could be base64": [["YWJj", 1]],
    "bytes as number": [[5, 1]],
    "bytes as null": [[None, 1]],
    "bytes as array": [[[1], 1]],
    "a negative number for a number": [[b"k", -1]],
    "a number beyond its limit": [[b"k", 2**53 + 1]],
    "a number beyond 2^64": [[b"k", 2**64]],
    "a number below -2^64": [[b"k", -(2**64) - 1]],
    "a number as boolean": [[b"k", True]],
    "a number as float": [[b"k", 5.0]],
    "a number as half float": bytes.fromhex("8182416bf94500"),
    "a number as a float that is none": [[b"k", 5.5]],
    "a number as not a number": [[b"k", float("nan")]],
    "a number as text": [[b"k", "5"]],
    "a number as bytes": [[b"k", b"5"]],
    "a number that is undefined": bytes.fromhex("8182416bf7"),
    "a simple value": bytes.fromhex("8182416bf820"),
    "a simple value in the long form": bytes.fromhex("8182416bf814"),
    "an array of indefinite length": bytes.fromhex("9f82416b01ff"),
    "a row of indefinite length": bytes.fromhex("819f416b01ff"),
    "bytes of indefinite length": bytes.fromhex("81825f416bff01"),
    "a map of indefinite length": bytes.fromhex("bf0102ff"),
    "1,000 arrays deep": b"\x81" * 1000 + b"\0",
    "100,000 arrays deep": b"\x81" * 100_000 + b"\0",
    "100,000 maps deep": b"\xa1\x00" * 100_000 + b"\0",
    "100,000 tags deep": b"\xc1" * 100_000 + b"\0",
    "an array that claims 2^64 - 1 items": b"\x9b" + b"\xff" * 8,
    "an array that claims a terabyte": b"\x9b" + struct.pack(">Q", 1 << 40) + bytes(100),
    "a row that claims a terabyte": b"\x81\x9b" + struct.pack(">Q", 1 << 40) + bytes(100),
    "a map that claims a terabyte": b"\xbb" + struct.pack(">Q", 1 << 40) + bytes(100),
    "bytes that claim a terabyte": b"\x81\x82\x5b" + struct.pack(">Q", 1 << 40) + bytes(100),
    "bytes that claim 2^64 - 1 bytes": b"\x81\x82\x5b" + b"\xff" * 8,
    "a text that claims a gigabyte": b"\x81\x7a" + struct.pack(">I", 1 << 30) + bytes(100),
    "a text that is no UTF-8": b"\x81\x61\xff",
    "a reserved length": b"\x9c",
    "a duplicate in a map": bytes.fromhex("a201020103"),
    "an array for a key of a map": bytes.fromhex("a1800102"),
    "a map for a key of a map": bytes.fromhex("a1a00102"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_no_encoder_writes_is_refused(case: str) -> None:
    wrong = WRONG[case]
    payload = wrong if isinstance(wrong, bytes) else cbor2.dumps(wrong)
    tracemalloc.start()
    try:
        with pytest.raises(CodecError):
            decode(payload)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000, "no claimed length is believed"


def test_what_is_refused_is_said() -> None:
    with pytest.raises(CodecError, match="3 bytes follow the rows"):
        decode(GOLDEN + b"abc")
    with pytest.raises(CodecError, match=r"not rows of the expected shape: .*bytes.*\[0\]\[0\]"):
        decode(cbor2.dumps([["k", 1]]))


def test_what_could_take_long_is_refused_before_it_is_built() -> None:
    """Not for its shape, which is looked at afterwards: by then it has been nested, or its keys have been hashed."""
    with pytest.raises(CodecError, match="nesting depth"):
        decode(cbor2.dumps([[[1], 1]]))
    with pytest.raises(CodecError, match="map key must be"):
        decode(bytes.fromhex("a1820102 00"))


@pytest.mark.parametrize("element", [b"\x80", b"\xa0", b"\xf6", b"\xe0", b"\x61a", b"\x19\x03\xe8", b"\xf9\x3c\0"])
def test_a_payload_takes_memory_in_proportion_to_its_length_at_the_worst(element: bytes) -> None:
    """The known limit: an empty array is one byte, and 72 as an object, which it becomes before anybody sees its shape.

    Whoever can write such a payload with a right checksum can write the disk. What bounds it are the raw lengths that
    segments and snapshots admit.
    """
    count = 100_000
    payload = b"\x9a" + struct.pack(">I", count) + element * count
    tracemalloc.start()
    try:
        with pytest.raises(CodecError):
            decode(payload)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * len(payload)


# --- tags ----------------------------------------------------------------------------------------------------

CHARACTERS = "[\U00000000-\U0010ffff]"

TAGGED: dict[str, bytes] = {
    "a tagged row": bytes.fromhex("81c182416b01"),
    "tagged bytes": bytes.fromhex("8182d840416b01"),
    "a tagged number": bytes.fromhex("8182416bc101"),
    "a tagged payload": bytes.fromhex("d9d9f7") + GOLDEN,
    "a set of rows": bytes.fromhex("d90102") + GOLDEN,
    "a date": bytes.fromhex("c1 00"),
    "a big number": bytes.fromhex("81c24101"),
    "a big number for a number": bytes.fromhex("8182416bc24101"),
    "a number of 2^2^60": bytes.fromhex("c5821b100000000000000001"),
    "a fraction of nothing": bytes.fromhex("d81e820100"),
    "a shared reference to itself": bytes.fromhex("d81c81d81d00"),
    "a reference to a text that is not there": bytes.fromhex("d9010081d81900"),
    "a message": b"\xd8\x24" + cbor2.dumps("x: " * 1000),
    "a regular expression": b"\xd8\x23" + cbor2.dumps("k"),
    "a tag that nobody knows": b"\xdb" + b"\xff" * 8 + b"\0",
    "a tag of nothing": b"\xc1",
}


@pytest.mark.parametrize("case", TAGGED)
def test_whatever_has_a_tag_is_refused(case: str) -> None:
    with pytest.raises(CodecError, match=r"tag|nesting depth"):
        decode(TAGGED[case])


def test_nothing_is_built_of_what_a_tag_stands_for() -> None:
    """cbor2 would: this regular expression of some kilobytes takes it minutes, and hours if a disk wants it to."""
    payload = b"\xd8\x23" + cbor2.dumps(CHARACTERS * 10_000)
    started_s = perf_counter()
    with pytest.raises(CodecError, match="tag"):
        decode(payload)
    assert perf_counter() - started_s < 10


# --- fuzzing -------------------------------------------------------------------------------------------------


@settings(max_examples=1500)
@given(st.binary(max_size=60))
def test_any_bytes_are_rows_or_a_codec_error(payload: bytes) -> None:
    only_codec_errors(payload)


@settings(max_examples=800)
@given(st.data())
def test_any_cbor_is_rows_or_a_codec_error(data: st.DataObject) -> None:
    """Near misses: rows with any values, and tags of every number on any content."""
    scalars = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=5), st.just([])
    )
    rows = st.lists(st.lists(scalars, max_size=3), max_size=3)
    tagged = st.builds(cbor2.CBORTag, st.sampled_from((*range(40), 100, 258, 260, 261, 1004, 43000, 55799)), scalars)
    maps = st.dictionaries(st.integers() | st.text(max_size=3), scalars, max_size=3)
    only_codec_errors(cbor2.dumps(data.draw(st.one_of(rows, tagged, maps, st.lists(tagged | maps, max_size=2)))))


def only_codec_errors(payload: bytes) -> None:
    try:
        found = decode(payload)
    except CodecError:
        return
    assert all(type(key) is bytes and (number is None or type(number) is int) for key, number in found)
