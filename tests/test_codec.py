"""Events to bytes and back: golden bytes, every event, and rows that are no events.

What is no rows at all: ``test_cbor.py``.
"""

import cbor2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synap.codec import decode_events, encode_events
from synap.commands import Kind
from synap.errors import CodecError, UnknownEventError
from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted

keys = st.binary(max_size=100)
deadlines = st.none() | st.integers(0, 2**53)
all_events: st.SearchStrategy[Event] = st.one_of(
    st.builds(EntrySet, keys, st.integers(0, 2), st.binary(max_size=300), deadlines),
    st.builds(EntryDeleted, keys),
    st.builds(PrefixDeleted, keys),
    st.builds(DeadlineSet, keys, deadlines),
    st.builds(EntryExpired, keys),
    st.builds(EntryEvicted, keys),
)

GOLDEN: list[tuple[Event, str]] = [
    (EntrySet(b"sess:1", 0, b"text", None), "8501467365 73733a310044 74657874 f6"),
    (EntrySet(b"k", 1, b'{"a":1}', 1_764_000_000_000), "8501416b01477b2261223a317d1b0000019ab697e800"),
    (EntrySet(b"", 2, b"", 0), "85014002 40 00"),
    (EntryDeleted(b"k"), "8202416b"),
    (PrefixDeleted(b"sess:"), "820345736573733a"),
    (DeadlineSet(b"k", None), "8304416bf6"),
    (DeadlineSet(b"k", 2**53), "8304416b1b0020000000000000"),
    (EntryExpired(b"k"), "8205416b"),
    (EntryEvicted(b"k"), "8206416b"),
]


@pytest.mark.parametrize(("event", "golden"), GOLDEN)
def test_the_stored_form_of_each_event_never_changes(event: Event, golden: str) -> None:
    payload = b"\x81" + bytes.fromhex(golden)
    assert encode_events([event]) == payload
    assert decode_events(payload) == [event]


@given(st.lists(all_events, max_size=20))
def test_events_come_back_and_always_as_the_same_bytes(given_events: list[Event]) -> None:
    payload = encode_events(given_events)
    assert decode_events(payload) == given_events
    assert encode_events(decode_events(payload)) == payload


@given(
    st.lists(
        all_events | st.builds(EntrySet, st.binary(max_size=70_000), st.just(0), st.binary(max_size=70_000), deadlines)
    )
)
def test_what_is_written_by_hand_is_what_cbor2_writes(given_events: list[Event]) -> None:
    assert encode_events(given_events) == cbor2.dumps(msgspec.to_builtins(given_events, builtin_types=(bytes,)))


@pytest.mark.parametrize("length", [0, 23, 24, 255, 256, 1023, 1024, 65_535, 65_536])
def test_lengths_take_their_shortest_form(length: int) -> None:
    event = EntrySet(bytes(length), Kind.BYTES, bytes(length), length)
    assert encode_events([event]) == cbor2.dumps([[1, bytes(length), 2, bytes(length), length]])


def test_many_large_events_come_back() -> None:
    many: list[Event] = [EntrySet(b"%d" % number, 2, bytes(100_000), number) for number in range(30)]
    assert decode_events(encode_events(many)) == many


WRONG: dict[str, object] = {
    "no rows": None,
    "a row that is no array": [7],
    "an empty row": [[]],
    "event 0": [[0, b"k"]],
    "event -1": [[-1, b"k"]],
    "a type as text": [["2", b"k"]],
    "a type as float": [[2.0, b"k"]],
    "a type as boolean": [[True, b"k", 0, b"v", None]],
    "a type as null": [[None, b"k"]],
    "no type": [[b"k"]],
    "a row of a snapshot": [[b"k", 0, b"v", None, 1]],
    **{
        f"event {row[0]} with a field {amount}": [fields]
        for row in ([1, b"k", 0, b"v", None], [2, b"k"], [3, b"k"], [4, b"k", None], [5, b"k"])
        for amount, fields in (("too few", row[:-1]), ("too many", [*row, 1]))
    },
    **{
        f"event {row[0]} with a key as {what}": [[row[0], key, *row[2:]]]
        for row in ([1, b"k", 0, b"v", None], [2, b"k"], [3, b"k"], [4, b"k", None], [5, b"k"])
        for what, key in (("text", "k"), ("text that could be base64", "YWJj"), ("number", 5), ("null", None))
    },
    "a kind that is none": [[1, b"k", 3, b"v", None]],
    "a negative kind": [[1, b"k", -1, b"v", None]],
    "a kind as boolean": [[1, b"k", True, b"v", None]],
    "a kind as null": [[1, b"k", None, b"v", None]],
    "a value as text": [[1, b"k", 0, "v", None]],
    "a value as null": [[1, b"k", 0, None, None]],
    "a negative deadline": [[4, b"k", -1]],
    "a negative deadline of a value": [[1, b"k", 0, b"v", -1]],
    "a deadline beyond 2^53": [[4, b"k", 2**53 + 1]],
    "a deadline of a value beyond 2^53": [[1, b"k", 0, b"v", 2**53 + 1]],
    "a deadline beyond 2^64": [[4, b"k", 2**70]],
    "a deadline as float": [[4, b"k", 5.0]],
    "a deadline as text": [[4, b"k", "5"]],
    "one wrong row among right ones": [[2, b"a"], [2, b"b"], [2, None], [2, b"c"]],
    "a wrong row before one of an unknown type": [[2, None], [7, b"k"]],
}


@pytest.mark.parametrize("case", WRONG)
def test_what_no_encoder_writes_is_refused(case: str) -> None:
    with pytest.raises(CodecError, match="not rows of the expected shape"):
        decode_events(cbor2.dumps(WRONG[case]))


@pytest.mark.parametrize(
    ("rows", "index", "type_number"),
    [
        ([[7, b"k"]], 0, 7),
        ([[7]], 0, 7),
        ([[2, b"k"], [3, b""], [255, b"k", None, 5], [7, b"k"]], 2, 255),
        ([[2**64 - 1, b"k"], [2, None]], 0, 2**64 - 1),
    ],
    ids=["like another", "no fields", "behind known ones", "before a wrong one"],
)
def test_an_event_of_a_newer_version_is_told_apart(rows: object, index: int, type_number: int) -> None:
    with pytest.raises(UnknownEventError, match=f"events of type {type_number} are of a newer version") as caught:
        decode_events(cbor2.dumps(rows))
    assert (caught.value.index, caught.value.type_number) == (index, type_number)


@pytest.mark.parametrize("rows", [[[7, [b"k"]]], [[7, {b"k": 1}, [[]]]]], ids=["an array", "an array behind a map"])
def test_an_unknown_event_with_what_no_row_may_hold_is_no_newer_one(rows: object) -> None:
    with pytest.raises(CodecError, match="nesting depth") as caught:
        decode_events(cbor2.dumps(rows))
    assert not isinstance(caught.value, UnknownEventError)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(encode_events([EntryDeleted(b"key")])[:-1], id="cut"),
        pytest.param(encode_events([EntryDeleted(b"key")]) + b"\0", id="trailing byte"),
        pytest.param(bytes.fromhex("9f8202416bff"), id="indefinite length"),
        pytest.param(bytes.fromhex("81c18202416b"), id="tag"),
        pytest.param(b"\x81" * 1000 + b"\0", id="depth"),
        pytest.param(b"\x9b" + b"\xff" * 8, id="a claim"),
    ],
)
def test_what_is_no_rows_is_no_events(payload: bytes) -> None:
    with pytest.raises(CodecError):
        decode_events(payload)


def test_longer_forms_of_a_number_are_let_pass() -> None:
    """No checksum lets them come about by accident, and they mean what they say."""
    assert decode_events(bytes.fromhex("81821802416b")) == [EntryDeleted(b"k")]


@settings(max_examples=1500, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_events_or_a_codec_error(payload: bytes) -> None:
    only_codec_errors(payload)


@settings(max_examples=800, deadline=None)
@given(st.data())
def test_any_cbor_is_events_or_a_codec_error(data: st.DataObject) -> None:
    """Near misses: rows with any values, and tags of every number on any content."""
    scalars = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=5), st.just([])
    )
    rows = st.lists(st.lists(scalars, max_size=6), max_size=3)
    tagged = st.builds(cbor2.CBORTag, st.sampled_from((*range(40), 100, 258, 260, 261, 1004, 43000, 55799)), scalars)
    only_codec_errors(cbor2.dumps(data.draw(st.one_of(rows, tagged, st.lists(tagged, max_size=2)))))


def only_codec_errors(payload: bytes) -> None:
    try:
        found = decode_events(payload)
    except CodecError:
        return
    assert all(isinstance(event, Event) for event in found)
