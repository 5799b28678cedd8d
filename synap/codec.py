"""Events to bytes and back: the rows of a batch.

An event is a row (see ``cbor.py``) of its type number and its fields in the order of ``events.py``::

    [[1, h'73657373…', 0, h'7B22…', 1764000000000], [2, h'73657373…'], …]
"""

from collections.abc import Sequence

import msgspec

from synap.cbor import decode_rows, encode_rows
from synap.events import Event


def encode_events(events: Sequence[Event]) -> bytes:
    """The payload of a batch."""
    return encode_rows(msgspec.to_builtins(events, builtin_types=(bytes,)))


def decode_events(payload: bytes) -> list[Event]:
    """The events of a payload. Raises ``CodecError`` where it holds anything else."""
    return decode_rows(payload, list[Event])
