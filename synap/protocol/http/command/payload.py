"""The shapes of payloads. Where a REST route has the same fields in its body, its shape is in ``bodies``.

As there: unknown fields are ignored, and null is not "not there".
"""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from synap.protocol.http import bodies


class Nothing(msgspec.Struct, frozen=True):
    """No field is of interest."""


class Key(msgspec.Struct, frozen=True):
    """Most commands that read."""

    key: str


class KeyOrKeys(msgspec.Struct, frozen=True):
    """kv.del."""

    key: str | UnsetType = UNSET
    keys: list[str] | UnsetType = UNSET


class Amount(msgspec.Struct, frozen=True):
    """kv.incr and kv.decr."""

    key: str
    amount: int = 1


class Ttl(msgspec.Struct, frozen=True):
    """kv.expire."""

    key: str
    ttl: Raw


class PairsOrPair(msgspec.Struct, frozen=True):
    """kv.msetnx."""

    pairs: list[bodies.PairBody | tuple[str, Raw]] | UnsetType = UNSET
    key: str | UnsetType = UNSET
    value: Raw | UnsetType = UNSET


class Text(msgspec.Struct, frozen=True):
    """kv.append."""

    key: str
    value: str


class SetRange(msgspec.Struct, frozen=True):
    """kv.setrange."""

    key: str
    offset: int
    value: str


class GetRange(msgspec.Struct, frozen=True):
    """kv.getrange. Without ``start`` from the first byte on, without ``end`` to the last."""

    key: str
    start: int = 0
    end: int = -1


class GetSet(msgspec.Struct, frozen=True):
    """kv.getset."""

    key: str
    value: Raw


class Keys(msgspec.Struct, frozen=True):
    """kv.keys: a pattern or a prefix."""

    pattern: str | UnsetType = UNSET
    prefix: str | UnsetType = UNSET


class Scan(msgspec.Struct, frozen=True):
    """kv.scan. ``cursor`` null or "" begins anew, as the first page does."""

    prefix: str = ""
    limit: int | UnsetType = UNSET
    cursor: str | None = None


class Destination(msgspec.Struct, frozen=True):
    """key.rename, key.renamenx and key.copy; ``replace`` is of no concern to the first two."""

    key: str
    destination: str
    replace: bool = False


class Section(msgspec.Struct, frozen=True):
    """info."""

    section: str | UnsetType = UNSET


class Count(msgspec.Struct, frozen=True):
    """slowlog.get."""

    count: int | UnsetType = UNSET
