"""Events to bytes and back: the rows of a batch.

An event is a row (see ``cbor.py``) of its type number and its fields in the order of ``events.py``::

    [[1, h'73657373…', 0, h'7B22…', 1764000000000], [2, h'73657373…'], …]
"""

from collections.abc import Sequence
from typing import get_args

import msgspec

from synap.cbor import ARRAY, BYTES, INTEGER, NULL, decode_rows, encode_rows, head
from synap.errors import CodecError, UnknownEventError
from synap.events import EntrySet, Event
from synap.rows import row_decoder

_SET = head(ARRAY, 5) + head(INTEGER, 1)
"""How the row of an ``EntrySet`` begins: five fields, of which the first is the type number."""

_SHORT = 1024
_LENGTHS = [head(BYTES, length) for length in range(_SHORT)]
_KINDS = [head(INTEGER, kind) for kind in range(3)]
"""Looked up, because to make one takes several times as long."""


def encode_events(events: Sequence[Event]) -> bytes:
    """The payload of a batch."""
    parts = [head(ARRAY, len(events))]
    for event in events:
        if type(event) is EntrySet:
            parts += _row_of(event)
        else:
            parts.append(encode_rows(msgspec.to_builtins(event, builtin_types=(bytes,))))
    return b"".join(parts)


def _row_of(event: EntrySet) -> tuple[bytes, ...]:
    """The row in pieces. Nearly all events are of this type, and cbor2, by way of lists, takes twice as long."""
    key, value, deadline_ms = event.key, event.value, event.deadline_ms
    key_length, value_length = len(key), len(value)
    return (
        _SET,
        _LENGTHS[key_length] if key_length < _SHORT else head(BYTES, key_length),
        key,
        _KINDS[event.kind],
        _LENGTHS[value_length] if value_length < _SHORT else head(BYTES, value_length),
        value,
        NULL if deadline_ms is None else head(INTEGER, deadline_ms),
    )


_decode = row_decoder(list[Event])


def decode_events(payload: bytes) -> list[Event]:
    """The events of a payload. Raises ``CodecError`` where it holds anything else.

    That is ``UnknownEventError`` where the first row that is no event is whole, and only its type is unknown.
    """
    try:
        return _decode(payload)
    except CodecError:
        _refuse_unknown(payload)
        raise


_TYPE_NUMBERS = frozenset(event_type.__struct_config__.tag for event_type in get_args(Event))


def _refuse_unknown(payload: bytes) -> None:
    """Raises ``UnknownEventError`` where that is what is wrong with the rows, ``CodecError`` where they are none."""
    for index, row in enumerate(decode_rows(payload, list[list[object]])):
        type_number = row[0] if row else None
        # Whoever counts the types of events in integers does not take True for one.
        if type(type_number) is int and type_number > 0 and type_number not in _TYPE_NUMBERS:
            raise UnknownEventError(index, type_number)
        try:
            msgspec.convert(row, type=Event, builtin_types=(bytes,))
        except msgspec.ValidationError:
            return
