"""The shapes of the JSON bodies of requests, and what is said of their fields; ``decoding`` says how bytes become them.

Unknown fields are ignored. A field that is there must be of its type, and null is not "not there": what a
client computed wrongly must not silently switch an option off.

What ``Meta`` adds describes and checks nothing, for what ``Raw`` leaves open is checked where it is read. A test sends
what is said to be possible.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from synap.protocol.http.ttl import MAX_S, MIN_S, UNITS

INTEGER_MAX = 2**63 - 1
"""Counters, versions and amounts are of 64 bits."""

Key = Annotated[
    str, Meta(description="The key: text of at most 64 KiB.", extra_json_schema={"minLength": 1, "maxLength": 65_536})
]
Value = Annotated[
    Raw,
    Meta(description="Any JSON. A string is kept as text, everything else as the JSON it is. At most 8 MiB."),
]
Ttl = Annotated[
    Raw,
    Meta(
        description="Seconds to live; decimals are possible. Without it, the value stays.",
        extra_json_schema={"type": "number", "minimum": MIN_S, "maximum": MAX_S},
    ),
]
Version = Annotated[
    int,
    Meta(
        description="Write only if the key is at this version; 0: if there is no such key.",
        extra_json_schema={"minimum": 0, "maximum": INTEGER_MAX},
    ),
]


def _option(says: str) -> Meta:
    return Meta(description=says)


class Expiry(msgspec.Struct, frozen=True):
    """The longer way to say when a value ends: a time from now on, or a point in time since the epoch (``unix``)."""

    type: Annotated[str, Meta(description="The unit.", extra_json_schema={"enum": list(UNITS)})]
    value: Annotated[Raw, Meta(description="So many of them.", extra_json_schema={"type": "number", "minimum": 0})]


class SetBody(msgspec.Struct, frozen=True):
    """What to set, for how long, and on which condition."""

    key: Key
    value: Value
    ttl: Ttl | UnsetType = UNSET
    expiry: Annotated[Expiry, _option("Takes the place of `ttl`.")] | UnsetType = UNSET
    nx: Annotated[bool, _option("Set it only if the key is missing.")] = False
    xx: Annotated[bool, _option("Set it only if the key is there.")] = False
    keepttl: Annotated[bool, _option("Leave the deadline as it is.")] = False
    get: Annotated[bool, _option("Answer with the old value as well.")] = False
    if_version: Version | UnsetType = UNSET


class PlainSetBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What a ``SetBody`` mostly is: no options, and a time of whole seconds. Whatever else it is, it is not this."""

    key: str
    value: Raw
    ttl: Annotated[int, Meta(ge=1, le=999_999_999)] | UnsetType = UNSET


class PairBody(msgspec.Struct, frozen=True):
    """One of the pairs of a batch write."""

    key: Key
    value: Value
    ttl: Ttl | UnsetType = UNSET


class PairsBody(msgspec.Struct, frozen=True):
    """Keys with their values. A pair may also be an array of key and value."""

    pairs: list[PairBody | tuple[Key, Value]]


class KeysBody(msgspec.Struct, frozen=True):
    """Keys, of which each may stand there more than once."""

    keys: list[Key]


class TtlBody(msgspec.Struct, frozen=True):
    """How long the value shall still live."""

    ttl: Annotated[
        Raw,
        Meta(
            description="Seconds to live from now on; decimals are possible. 0 ends the key at once.",
            extra_json_schema={"type": "number", "minimum": 0, "maximum": MAX_S},
        ),
    ]


class ValueBody(msgspec.Struct, frozen=True):
    """A value."""

    value: Value


class TextBody(msgspec.Struct, frozen=True):
    """Text only: a number or an object has no end to write behind."""

    value: Annotated[str, Meta(description="The text to write behind what is there.")]


class RangeBody(msgspec.Struct, frozen=True):
    """Where to write what."""

    offset: Annotated[
        int,
        Meta(
            description="The byte to begin at, written without decimals. What lies before it is filled up with zeros.",
            extra_json_schema={"minimum": 0},
        ),
    ]
    value: Annotated[str, Meta(description="The text to write there.")]


class AmountBody(msgspec.Struct, frozen=True):
    """By how much."""

    amount: Annotated[
        int,
        Meta(
            description="How much to add or subtract; may be negative. Written without decimals.",
            extra_json_schema={"minimum": -INTEGER_MAX, "maximum": INTEGER_MAX},
        ),
    ]


class DestinationBody(msgspec.Struct, frozen=True):
    """The other name."""

    destination: Annotated[str, Meta(description="The other key.", extra_json_schema={"minLength": 1})]
    replace: Annotated[bool, _option("Write over what is there. Matters to `copy` only.")] = False
