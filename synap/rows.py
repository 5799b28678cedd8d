"""Rows of one shape, coded: by the compiled twin where there is one, else by the reference in ``cbor.py``.

The twin is told the shape as a plan, read off the type that the reference checks rows against: so what a row may be
stands in one place. It decodes what an encoder writes; whatever it does not know goes to the reference, which accepts
it, or says what is wrong with it. To both, a payload is the same rows or the same error, and rows are the same bytes.
"""

from collections.abc import Callable, Sequence
from operator import ge
from typing import NamedTuple, TypeAlias, TypeVar

import msgspec
from msgspec import inspect

from synap.cbor import decode_rows, encode_rows
from synap.compiled import twin

T = TypeVar("T")

Entry: TypeAlias = tuple[bytes, int, bytes, int | None, int]
"""A row of which the first field is a key, and the third a value."""

_NUMBER_MAX = 2**64 - 1


class Field(NamedTuple):
    """What a field may be: a byte string, or a number within limits (which byte strings do not have); or null."""

    is_bytes: bool
    may_be_null: bool
    least: int
    most: int


class Kind(NamedTuple):
    """One kind of row: the number that it begins with, and what is called with its fields (None: a tuple is made)."""

    tag: int | None
    made_by: Callable[..., object] | None
    fields: tuple[Field, ...]


def row_decoder(shape: type[list[T]]) -> Callable[[bytes], list[T]]:
    """What makes the rows of a payload, as ``decode_rows`` does, for payloads of one shape."""

    def reference(payload: bytes) -> list[T]:
        return decode_rows(payload, shape)

    if _TWIN is None:
        return reference
    decode: Callable[[bytes], list[T] | None] = _TWIN.Decoder(plan_of(shape)).decode

    def decoder(payload: bytes) -> list[T]:
        rows = decode(payload)
        return reference(payload) if rows is None else rows

    return decoder


def row_encoder(shape: type[list[T]]) -> Callable[[Sequence[T]], bytes]:
    """What makes the payload of rows of one shape, each of which is a struct with a tag.

    Raises ``CodecError`` where a row is not of the shape: once it is logged, nobody could read it.
    """

    def reference(rows: Sequence[T]) -> bytes:
        payload = encode_structs(rows)
        decode_rows(payload, shape)
        return payload

    if _TWIN is None:
        return reference
    encode: Callable[[list[T]], bytes | None] = _TWIN.Encoder(plan_of(shape)).encode

    def encoder(rows: Sequence[T]) -> bytes:
        payload = encode(list(rows))
        return reference(rows) if payload is None else payload

    return encoder


def encode_structs(rows: Sequence[object]) -> bytes:
    """The payload of rows that are structs with a tag: the reference."""
    return encode_rows(msgspec.to_builtins(rows, builtin_types=(bytes,)))


def look_over_in_python(entries: Sequence[Entry], before: bytes | None) -> tuple[int, bool]:
    """The length of all keys and values, and whether the keys ascend, from one after the key ``before`` on."""
    keys = [entry[0] for entry in entries]
    text_bytes = sum([len(entry[0]) + len(entry[2]) for entry in entries])
    begins_after = before is None or not keys or before < keys[0]
    return text_bytes, begins_after and not any(map(ge, keys, keys[1:]))


def plan_of(shape: type[list[T]]) -> list[Kind]:
    """The shape in the twin's terms. Raises ``TypeError`` where it has none for it."""
    rows = inspect.type_info(shape)
    assert isinstance(rows, inspect.ListType)
    of_each = rows.item_type.types if isinstance(rows.item_type, inspect.UnionType) else (rows.item_type,)
    return [_kind_of(each) for each in of_each]


def _kind_of(row: inspect.Type) -> Kind:
    match row:
        case inspect.TupleType(item_types=fields):
            return Kind(None, None, tuple(map(_field_of, fields)))
        case inspect.StructType(cls=cls, tag=int(tag), array_like=True, forbid_unknown_fields=True, fields=fields):
            return Kind(tag, cls, tuple(_field_of(field.type) for field in fields))
    raise TypeError(f"no shape of a row: {row}")


def _field_of(field: inspect.Type) -> Field:
    match field:
        case inspect.BytesType(min_length=None, max_length=None):
            return Field(is_bytes=True, may_be_null=False, least=0, most=0)
        case inspect.IntType(gt=None, lt=None, multiple_of=None, ge=int(least), le=int() | None as most):
            # Smaller numbers would go to the reference, and larger ones are none in CBOR.
            return Field(False, False, max(least, 0), _NUMBER_MAX if most is None else most)
        case inspect.UnionType(types=(each, inspect.NoneType())):
            return _field_of(each)._replace(may_be_null=True)
    raise TypeError(f"no shape of a field: {field}")


_TWIN = twin("synap._rows_c")

look_over: Callable[[Sequence[Entry], bytes | None], tuple[int, bool]] = (
    look_over_in_python if _TWIN is None else _TWIN.look_over
)
