"""Rows as bytes: one deterministic CBOR array of arrays (RFC 8949, section 4.2), for events and for snapshots.

Only integers, byte strings, null and definite-length arrays occur, and cbor2 writes each of them in its one shortest
form, so the same rows always give the same bytes.
"""

import io
import struct
from collections.abc import Callable
from typing import TypeVar

import cbor2
import msgspec

from synap.errors import CodecError

T = TypeVar("T")

_DEPTH = 2

INTEGER, BYTES, ARRAY = 0x00, 0x40, 0x80
"""The first byte of an item that is not negative, of a byte string, of an array; its low bits are for ``head``."""

NULL = b"\xf6"

_DIRECT = 24
"""Below that, the number stands in the first byte itself."""

_ONE_BYTE, _TWO_BYTES, _FOUR_BYTES, _EIGHT_BYTES = 24, 25, 26, 27
"""What the first byte says where the number comes behind it."""

_pack_one, _pack_two = struct.Struct(">BB").pack, struct.Struct(">BH").pack
_pack_four, _pack_eight = struct.Struct(">BI").pack, struct.Struct(">BQ").pack


class _Tags(dict[int, Callable[..., object]]):
    """What is made of a tag, whatever its number: an error.

    Left to itself, cbor2 builds what tags stand for before anybody can refuse it, and a few kilobytes that say they are
    a regular expression take minutes.
    """

    def __missing__(self, tag: int) -> Callable[..., object]:
        raise CodecError(f"there is a tag ({tag})")


_TAGS = _Tags()


def head(major: int, number: int) -> bytes:
    """The beginning of an item, or all of an integer: what it is, and the number (0 to 2^64 - 1) in its shortest form.

    For who writes items without cbor2, because there are so many of one kind. The number is an integer's value, or the
    length of what comes behind.
    """
    if number < _DIRECT:
        return bytes((major | number,))
    if number < 1 << 8:
        return _pack_one(major | _ONE_BYTE, number)
    if number < 1 << 16:
        return _pack_two(major | _TWO_BYTES, number)
    if number < 1 << 32:
        return _pack_four(major | _FOUR_BYTES, number)
    return _pack_eight(major | _EIGHT_BYTES, number)


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
