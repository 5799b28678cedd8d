"""Rows as bytes: one deterministic CBOR array of arrays (RFC 8949, section 4.2), for events and for snapshots.

Only integers, byte strings, null and definite-length arrays occur, and cbor2 writes each of them in its one shortest
form, so the same rows always give the same bytes.
"""

import io
from collections.abc import Callable
from typing import TypeVar

import cbor2
import msgspec

from synap.errors import CodecError

T = TypeVar("T")

_DEPTH = 2


class _Tags(dict[int, Callable[..., object]]):
    """What is made of a tag, whatever its number: an error.

    Left to itself, cbor2 builds what tags stand for before anybody can refuse it, and a few kilobytes that say they are
    a regular expression take minutes.
    """

    def __missing__(self, tag: int) -> Callable[..., object]:
        raise CodecError(f"there is a tag ({tag})")


_TAGS = _Tags()


def encode_rows(rows: object) -> bytes:
    """The bytes of a list of lists."""
    return cbor2.dumps(rows)


def decode_rows(payload: bytes, shape: type[list[T]]) -> list[T]:
    """The rows of a payload, each of the element type of ``shape``.

    Raises ``CodecError`` where it is anything else. Longer forms of a number are let pass.
    """
    stream = io.BytesIO(payload)
    try:
        rows = cbor2.load(
            stream,
            read_size=len(payload),
            max_depth=_DEPTH,
            allow_indefinite=False,
            semantic_decoders=_TAGS,
            # Keys of a map that were chosen to have one hash take time in the square of their number.
            strict_hashable_types=True,
        )
        if stream.tell() != len(payload):
            raise CodecError(f"{len(payload) - stream.tell():,} bytes follow the rows")
        return msgspec.convert(rows, type=shape, builtin_types=(bytes,))
    except (cbor2.CBORError, msgspec.ValidationError) as cause:
        raise CodecError(f"not rows of the expected shape: {cause}") from cause
