"""Events to bytes and back: one deterministic CBOR array (RFC 8949, section 4.2) for the events of a batch.

An event is an array of its type number and its fields in the order of ``events.py``::

    [[1, h'73657373…', 0, h'7B22…', 1764000000000], [2, h'73657373…'], …]

Only integers, byte strings, null and definite-length arrays occur, and cbor2 writes each of them in its one
shortest form, so the same events always give the same bytes.
"""

import io
from collections.abc import Sequence

import cbor2
import msgspec

from synap.errors import CodecError
from synap.events import Event

_BATCH_DEPTH = 2


def encode_events(events: Sequence[Event]) -> bytes:
    """The payload of a batch."""
    return cbor2.dumps(msgspec.to_builtins(events, builtin_types=(bytes,)))


def decode_events(payload: bytes) -> list[Event]:
    """The events of a payload; ``CodecError`` where it is not such an array. Longer forms of a number are let pass."""
    stream = io.BytesIO(payload)
    try:
        rows = cbor2.load(stream, read_size=len(payload), max_depth=_BATCH_DEPTH, allow_indefinite=False)
        if stream.tell() != len(payload):
            raise CodecError(f"{len(payload) - stream.tell():,} bytes follow the events")
        return msgspec.convert(rows, type=list[Event], builtin_types=(bytes,))
    # Tags make cbor2 build dates, regular expressions and more, whose constructors raise what they like.
    except (cbor2.CBORError, msgspec.ValidationError, ValueError, TypeError, OverflowError, ArithmeticError) as cause:
        raise CodecError(f"not a list of events: {cause}") from cause
