"""Events to bytes and back: the rows of a batch.

An event is a row (see ``cbor.py``) of its type number and its fields in the order of ``events.py``::

    [[1, h'73657373…', 0, h'7B22…', 1764000000000], [2, h'73657373…'], …]
"""

from collections.abc import Sequence
from typing import get_args

import msgspec

from synap.cbor import decode_rows
from synap.errors import CodecError, UnknownEventError
from synap.events import Event
from synap.rows import row_decoder, row_encoder

_encode = row_encoder(list[Event])
_decode = row_decoder(list[Event])


def encode_events(events: Sequence[Event]) -> bytes:
    """The payload of a batch."""
    return _encode(events)


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
