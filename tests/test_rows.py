"""Rows by the twin and by the reference: the same rows, or the same error, whatever the bytes are."""

import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from os import environ
from random import Random
from typing import Annotated, NamedTuple, TypeAlias, TypeVar

import cbor2
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import synap.rows
from synap.cbor import decode_rows, encode_rows
from synap.errors import CodecError
from synap.events import DeadlineSet, EntryDeleted, EntrySet, Event
from synap.rows import (
    Entry,
    Field,
    Kind,
    encode_structs,
    look_over_in_python,
    plan_of,
    row_decoder,
    row_encoder,
)
from synap.snapshot.format import IndexRow, Row
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import random_events
from tests.test_cbor import GOLDEN, ROWS, TAGGED, WRONG, Pair

COMPILED = "synap._rows_c"

needs_the_twin = pytest.mark.skipif(find_spec(COMPILED) is None, reason="the twin was not built")

T = TypeVar("T")

Decode: TypeAlias = Callable[[bytes], Sequence[object]]


class Shape(NamedTuple):
    """What makes rows of a shape: with the twin, and the reference alone. And the twin's plan of it."""

    decode: Decode
    reference: Decode
    plan: list[Kind]


def shape_of(rows: type[list[T]]) -> Shape:
    decode: Callable[[bytes], list[T]] = row_decoder(rows)
    return Shape(decode, lambda payload: decode_rows(payload, rows), plan_of(rows))


SHAPES: dict[str, Shape] = {
    "pairs": shape_of(list[Pair]),
    "entries": shape_of(list[Row]),
    "index": shape_of(list[IndexRow]),
    "events": shape_of(list[Event]),
}

VALID: dict[str, bytes] = {
    "pairs": GOLDEN,
    "entries": encode_rows([[b"k", 0, b"v", None, 1], [b"key", 2, b"value" * 60, 2**53, 2**64 - 1]]),
    "index": encode_rows([[b"k", 128], [b"l", 2**64 - 1]]),
    "events": encode_rows(msgspec.to_builtins(random_events(Random(7), 12), builtin_types=(bytes,))),
}

REFUSED: dict[str, bytes] = {
    **{case: wrong if isinstance(wrong, bytes) else cbor2.dumps(wrong) for case, wrong in WRONG.items()},
    **TAGGED,
}


def twin_of(shape: str) -> Callable[[bytes], list[object] | None]:
    """The twin alone, with no reference behind it."""
    decode: Callable[[bytes], list[object] | None] = import_module(COMPILED).Decoder(SHAPES[shape].plan).decode
    return decode


def outcome(decode: Decode, payload: bytes) -> tuple[str, str]:
    """What came of it, to the types of all that is in it: 1 is True, but not the same."""
    try:
        return "rows", repr(decode(payload))
    except CodecError as error:
        return type(error).__name__, str(error)


def check_alike(shape: str, payload: bytes) -> None:
    """By both ways the same; and what the twin made by itself, the reference makes as well."""
    expected = outcome(SHAPES[shape].reference, payload)
    assert outcome(SHAPES[shape].decode, payload) == expected
    if find_spec(COMPILED) is not None and (rows := twin_of(shape)(payload)) is not None:
        assert ("rows", repr(rows)) == expected


# --- what an encoder writes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_what_an_encoder_writes_comes_back(shape: str) -> None:
    assert SHAPES[shape].decode(VALID[shape]) == SHAPES[shape].reference(VALID[shape]) != []
    check_alike(shape, VALID[shape])


@needs_the_twin
@pytest.mark.parametrize("shape", SHAPES)
def test_the_twin_needs_no_help_with_it(shape: str) -> None:
    assert twin_of(shape)(VALID[shape]) == SHAPES[shape].reference(VALID[shape])
    assert twin_of(shape)(b"\x80") == []


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=70),
            st.integers(0, 2),
            st.binary(max_size=300),
            st.none() | st.integers(0, 2**53),
            st.integers(1, 2**64 - 1),
        ),
        max_size=30,
    )
)
def test_entries_come_back(entries: list[Entry]) -> None:
    assert row_decoder(list[Row])(encode_rows(entries)) == entries
    if find_spec(COMPILED) is not None:
        assert twin_of("entries")(encode_rows(entries)) == entries


@pytest.mark.parametrize("length", [23, 24, 255, 256, 65_535, 65_536, 3_000_000])
def test_large_fields_come_back(length: int) -> None:
    check_alike("pairs", encode_rows([(bytes(length), length)]))
    assert row_decoder(list[Pair])(encode_rows([(bytes(length), length)])) == [(bytes(length), length)]


def test_events_are_made_as_what_they_are() -> None:
    rows = [[1, b"k", 0, b"v", None], [2, b"k"]]
    events = row_decoder(list[Event])(encode_rows(rows))
    assert events == [EntrySet(b"k", 0, b"v", None), EntryDeleted(b"k")]
    assert [type(event) for event in events] == [EntrySet, EntryDeleted]


# --- what no encoder writes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_wrong_by_the_same_words(case: str) -> None:
    for shape in SHAPES:
        check_alike(shape, REFUSED[case])
    with pytest.raises(CodecError):
        SHAPES["pairs"].decode(REFUSED[case])


@needs_the_twin
@pytest.mark.parametrize("case", REFUSED)
def test_the_twin_makes_nothing_of_it_and_believes_no_length(case: str) -> None:
    payload, decode = REFUSED[case], twin_of("pairs")
    tracemalloc.start()
    try:
        assert decode(payload) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * len(payload) + 10_000


@pytest.mark.parametrize("shape", SHAPES)
def test_cut_anywhere_or_longer_it_is_refused(shape: str) -> None:
    whole = VALID[shape]
    for payload in [*(whole[:end] for end in range(len(whole))), whole + b"\0", whole * 2]:
        check_alike(shape, payload)
        with pytest.raises(CodecError):
            SHAPES[shape].decode(payload)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_byte_may_be_any_other(shape: str) -> None:
    whole = bytearray(VALID[shape][:200])
    for place in range(len(whole)):
        for other in (
            0,
            0x17,
            0x18,
            0x1B,
            0x1C,
            0x1F,
            0x20,
            0x40,
            0x5F,
            0x60,
            0x80,
            0x9F,
            0xA0,
            0xC1,
            0xE0,
            0xF6,
            0xFF,
        ):
            changed = whole.copy()
            changed[place] = other
            check_alike(shape, bytes(changed))


@pytest.mark.parametrize("width", [0, 1, 2, 3])
@pytest.mark.parametrize("shape", ["pairs", "index"])
def test_longer_forms_of_a_number_are_let_pass(shape: str, width: int) -> None:
    """By the twin alone, too: no row would otherwise say which of the two took it."""
    payload = head(4, 1, width) + head(4, 2, width) + head(2, 1, width) + b"k" + head(0, 7, width)
    check_alike(shape, payload)
    assert SHAPES[shape].decode(payload) == [(b"k", 7)]
    if find_spec(COMPILED) is not None:
        assert twin_of(shape)(payload) == [(b"k", 7)]


@pytest.mark.parametrize(
    ("row", "is_right"),
    [
        ([b"k", 2, b"", 2**53, 1], True),
        ([b"k", 3, b"", None, 1], False),
        ([b"k", 0, b"", 2**53 + 1, 1], False),
        ([b"k", 0, b"", -1, 1], False),
        ([b"k", 0, b"", None, 0], False),
        ([b"k", 0, b"", None, 2**64 - 1], True),
        ([b"k", 0, b"", None, 2**64], False),
        ([b"k", None, b"", None, 1], False),
        ([None, 0, b"", None, 1], False),
        ([b"k", 0, None, None, 1], False),
        ([b"k", 0, b"", b"", 1], False),
    ],
)
def test_the_limits_of_a_field_are_those_of_its_type(row: list[object], *, is_right: bool) -> None:
    payload = cbor2.dumps([row])
    check_alike("entries", payload)
    assert (outcome(SHAPES["entries"].decode, payload)[0] == "rows") is is_right


@needs_the_twin
@pytest.mark.parametrize("shape", SHAPES)
def test_the_twin_keeps_nothing(shape: str) -> None:
    """Neither of what it made nor of what it had begun when it came to something that it does not know."""
    decode, whole = twin_of(shape), VALID[shape]

    def decode_all() -> None:
        for end in range(len(whole) + 1):
            decode(whole[:end])

    decode_all()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            decode_all()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1000


# --- bytes of any kind ---------------------------------------------------------------------------------------


def head(major: int, number: int, width: int) -> bytes:
    """The head of an item in 2, 3, 5 or 9 bytes, whatever the number is."""
    return bytes((major << 5 | 24 + width,)) + struct.pack(f">{'BHIQ'[width]}", number)


@settings(max_examples=1500)
@given(st.sampled_from(list(SHAPES)), st.binary(max_size=60))
def test_any_bytes_are_alike_to_both(shape: str, payload: bytes) -> None:
    check_alike(shape, payload)


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """One item without content, in any form: mostly what rows are made of, with numbers that are nearly right."""
    major = draw(st.sampled_from((0, 0, 0, 2, 2, 2, 4, 4, 4, 1, 3, 5, 6, 7)))
    number = draw(st.integers(0, 6) | st.sampled_from((23, 24, 255, 2**53, 2**53 + 1, 2**63, 2**64 - 1)))
    widths = [width for width in range(4) if number < 1 << 8 * 2**width]
    shortest = cbor2.dumps(number)
    if draw(st.booleans()) or not widths:
        return bytes((shortest[0] | major << 5,)) + shortest[1:]
    return head(major, number, draw(st.sampled_from(widths)))


@settings(max_examples=2000)
@given(st.sampled_from(list(SHAPES)), st.lists(heads() | st.just(b"\xf6") | st.binary(max_size=3), max_size=14))
@example("pairs", [b"\x9b" + b"\xff" * 8])
@example("events", [b"\x81\x80"])
@example("events", [b"\x81\x82\x1b" + b"\xff" * 8 + b"\x40"])
def test_any_items_are_alike_to_both(shape: str, items: list[bytes]) -> None:
    check_alike(shape, b"".join(items))


@pytest.mark.parametrize("shape", SHAPES)
def test_mutants_are_alike_to_both(shape: str, seed: int) -> None:
    rng = Random(seed)
    for _ in range(1500):
        check_alike(shape, mutated(VALID[shape], rng, list(VALID.values())))


# --- written -------------------------------------------------------------------------------------------------


@needs_the_twin
def test_the_twin_writes_what_the_reference_writes(seed: int) -> None:
    encode = import_module(COMPILED).Encoder(SHAPES["events"].plan).encode
    events = random_events(Random(seed), 300)
    assert encode(events) == encode_structs(events) == row_encoder(list[Event])(events)
    assert encode([]) == encode_structs([]) == b"\x80"


@needs_the_twin
@pytest.mark.parametrize("number", [power + less for power in (24, 2**8, 2**16, 2**32, 2**53) for less in (-1, 0)])
def test_each_head_takes_its_shortest_form(number: int) -> None:
    encode = import_module(COMPILED).Encoder(SHAPES["events"].plan).encode
    length = min(number, 70_000)
    events = [DeadlineSet(bytes(length), number)] * 30
    assert encode(events) == encode_structs(events)


@needs_the_twin
@pytest.mark.parametrize(
    "row",
    [
        EntrySet(b"k", 3, b"v", None),
        EntrySet(b"k", -1, b"v", None),
        EntrySet(b"k", True, b"v", None),
        EntrySet(b"k", 2**64, b"v", None),
        EntrySet(b"k", 1, bytearray(b"v"), None),  # type: ignore[arg-type]  # what it is about
        EntrySet(b"k", 1, b"v", 2**53 + 1),
        DeadlineSet(b"k", -1),
        EntryDeleted(None),  # type: ignore[arg-type]  # what it is about
        (b"k", 1),
        None,
    ],
)
def test_the_twin_leaves_to_the_reference_what_it_does_not_know(row: object) -> None:
    encode = import_module(COMPILED).Encoder(SHAPES["events"].plan).encode
    assert encode([EntryDeleted(b"k"), row]) is None


@pytest.mark.parametrize(
    "row",
    [
        EntrySet(b"k", 3, b"v", None),
        EntrySet(b"k", -1, b"v", None),
        EntrySet(b"k", True, b"v", None),
        EntrySet(b"k", 1, b"v", 1.5),  # type: ignore[arg-type]  # what it is about
        EntrySet(b"k", 1, "v", None),  # type: ignore[arg-type]  # what it is about
        DeadlineSet(b"k", -1),
    ],
)
def test_what_no_reader_takes_is_not_written(row: Event) -> None:
    """It would be found at the next start, when it is too late."""
    with pytest.raises(CodecError):
        row_encoder(list[Event])([EntryDeleted(b"k"), row])


# --- the plan ------------------------------------------------------------------------------------------------


def test_a_plan_is_read_off_the_type() -> None:
    key = Field(is_bytes=True, may_be_null=False, least=0, most=0)
    number = Field(is_bytes=False, may_be_null=False, least=0, most=2**64 - 1)
    assert plan_of(list[IndexRow]) == [Kind(None, None, (key, number))]
    kinds = plan_of(list[Event])
    assert [kind.tag for kind in kinds] == [1, 2, 3, 4, 5, 6]
    deadline = Field(is_bytes=False, may_be_null=True, least=0, most=2**53)
    assert kinds[0] == Kind(1, EntrySet, (key, number._replace(most=2), key, deadline))


def test_what_the_twin_could_not_keep_to_is_no_plan() -> None:
    with pytest.raises(TypeError, match="no shape of a field"):
        plan_of(list[tuple[str, int]])
    with pytest.raises(TypeError, match="no shape of a field"):
        plan_of(list[tuple[Annotated[int, msgspec.Meta(multiple_of=2)]]])
    with pytest.raises(TypeError, match="no shape of a field"):
        plan_of(list[tuple[Annotated[bytes, msgspec.Meta(max_length=2)]]])
    with pytest.raises(TypeError, match="no shape of a row"):
        plan_of(list[int])


@needs_the_twin
def test_a_plan_that_is_too_large_is_refused() -> None:
    decoder = import_module(COMPILED).Decoder
    field = Field(is_bytes=True, may_be_null=False, least=0, most=0)
    with pytest.raises(ValueError, match="8 fields, not 9"):
        decoder([Kind(None, None, (field,) * 9)])
    with pytest.raises(ValueError, match="16 kinds of rows, not 17"):
        decoder([Kind(tag, EntryDeleted, (field,)) for tag in range(17)])
    with pytest.raises(ValueError, match="not 0"):
        decoder([])


# --- looked over ---------------------------------------------------------------------------------------------

LOOKERS = [look_over_in_python]
if find_spec(COMPILED) is not None:
    LOOKERS.append(import_module(COMPILED).look_over)


def entry(key: bytes, value: bytes = b"") -> Entry:
    return key, 0, value, None, 1


@pytest.mark.parametrize("look_over", LOOKERS)
@pytest.mark.parametrize(
    ("keys", "before", "ascend"),
    [
        ([], None, True),
        ([], b"k", True),
        ([b""], None, True),
        ([b""], b"", False),
        ([b"a", b"b"], None, True),
        ([b"a", b"b"], b"a", False),
        ([b"a", b"b"], b"b", False),
        ([b"b", b"c"], b"a", True),
        ([b"a", b"a"], None, False),
        ([b"b", b"a"], None, False),
        ([b"a", b"c", b"b", b"d"], None, False),
        ([b"", b"\0", b"\0\0", b"\0\1", b"\x7f", b"\x80", b"\xff", b"\xff\0"], None, True),
        ([b"ab", b"a"], None, False),
    ],
)
def test_keys_ascend_or_not(
    look_over: Callable[[list[Entry], bytes | None], tuple[int, bool]],
    keys: list[bytes],
    before: bytes | None,
    *,
    ascend: bool,
) -> None:
    text_bytes = sum(map(len, keys)) + 3 * len(keys)
    assert look_over([entry(key, b"abc") for key in keys], before) == (text_bytes, ascend)


@given(st.lists(st.tuples(st.binary(max_size=3), st.binary(max_size=3))), st.none() | st.binary(max_size=2))
def test_any_keys_are_looked_over_alike(pairs: list[tuple[bytes, bytes]], before: bytes | None) -> None:
    entries = [entry(*pair) for pair in pairs]
    keys = [*([] if before is None else [before]), *[key for key, _ in pairs]]
    expected = (sum(len(key) + len(value) for key, value in pairs), keys == sorted(set(keys)))
    assert [look_over(entries, before) for look_over in LOOKERS] == [expected] * len(LOOKERS)


# --- without the twin ----------------------------------------------------------------------------------------


def test_the_reference_serves_where_there_is_no_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synap.rows, "_TWIN", None)
    assert row_decoder(list[Pair])(GOLDEN) == ROWS
    with pytest.raises(CodecError, match="tag"):
        row_decoder(list[Pair])(TAGGED["a tagged row"])
    events: list[Event] = [EntrySet(b"k", 1, b"v", None), EntryDeleted(b"k")]
    assert row_encoder(list[Event])(events) == encode_structs(events)
    with pytest.raises(CodecError):
        row_encoder(list[Event])([EntrySet(b"k", 3, b"v", None)])


def test_the_environment_can_ask_for_the_reference() -> None:
    program = "import synap.rows as r, synap.keyspace.digest as d; print(r.look_over.__name__, d.Digest.__name__)"
    done = subprocess.run(  # noqa: S603 - the program is the line above
        [sys.executable, "-c", program],
        env={**environ, "SYNAP_RADIX": "py"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "look_over_in_python PurePythonDigest\n"
