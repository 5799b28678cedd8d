"""Values: what was set is what is read.

===========================  ===========  ===========================  ======================
set as                       kind         stored                       read as
===========================  ===========  ===========================  ======================
a JSON string                ``TEXT``     the UTF-8 of its characters  one JSON string
any other JSON               ``JSON``     its JSON text                that text, as it is
raw octets                   ``BYTES``    the octets                   the octets
===========================  ===========  ===========================  ======================

JSON text is neither parsed nor written anew: 1.10 stays 1.10, an integer of 30 digits keeps them all, members
of an object keep their order and their duplicates. Where octets have to stand inside a JSON document (a batch
read, an old value) they become ``{"base64": "..."}``.
"""

import base64

import msgspec

from synap.commands import Kind
from synap.results import Found

NULL = msgspec.Raw(b"null")

# Looked up once: as attributes of an enumeration, at each use, they would take longer than what is done with them.
TEXT, JSON, BYTES = Kind

_QUOTE, _BACKSLASH = b'"\\'

_decode_text = msgspec.json.Decoder(str).decode
_encode_text = msgspec.json.Encoder().encode


def from_json(raw: msgspec.Raw) -> tuple[Kind, bytes]:
    """The kind and the bytes to store for the JSON text of a value, which is valid (see ``bodies.decode``)."""
    text = bytes(raw)
    if text[0] != _QUOTE:
        return JSON, text
    # Without a backslash, what stands between the quotes is what is meant, character for character.
    return TEXT, _decode_text(text).encode() if _BACKSLASH in text else text[1:-1]


def to_json(found: Found | None) -> msgspec.Raw:
    """The JSON text of an entry's value; null where there is no entry."""
    if found is None:
        return NULL
    if found.kind == JSON:
        return msgspec.Raw(found.value)
    if found.kind == TEXT:
        return msgspec.Raw(_encode_text(found.value.decode()))
    return msgspec.Raw(msgspec.json.encode({"base64": base64.b64encode(found.value).decode()}))
