"""Values: what was set is what is read.

===========================  ===========================  ======================
set                          sent as                      read
===========================  ===========================  ======================
``str``                      a JSON string                the same ``str``
``bytes``                    octets                       the same ``bytes``
None, numbers, booleans,     that JSON                    what ``json`` makes of it
lists, dictionaries
nothing, or it has expired                                ``None``
===========================  ===========================  ======================

Octets that stand inside a JSON document (in a batch, as an old value) come as ``{"base64": "..."}``. An object of
exactly that shape, set as JSON, looks the same there, and comes back as octets; ``get`` tells them apart.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeGuard

from synap_sdk._core.message import JSON, OCTETS, Response
from synap_sdk.errors import InvalidArgument

Json: TypeAlias = str | bool | int | float | list["Json"] | dict[str, "Json"] | None
"""What a JSON document can say, as it is read."""

JsonLike: TypeAlias = str | bool | int | float | Sequence["JsonLike"] | Mapping[str, "JsonLike"] | None
"""What a JSON document can be written from."""

Value: TypeAlias = Json | bytes
"""What is under a key; None where nothing is."""

Storable: TypeAlias = JsonLike | bytes | bytearray | memoryview
"""What can be put under a key."""


class MalformedAnswerError(ValueError):
    """An answer without what it must have. The text names the field, never its value."""


def is_octets(value: Storable) -> TypeGuard[bytes | bytearray | memoryview]:
    """Whether a value is set as octets, not as JSON."""
    return isinstance(value, bytes | bytearray | memoryview)


def to_json(document: JsonLike) -> bytes:
    """The JSON text of a document in UTF-8. Raises ``InvalidArgument``."""
    try:
        return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as cause:
        raise InvalidArgument("half of a surrogate pair is no text") from cause
    except (TypeError, ValueError, RecursionError) as cause:
        raise InvalidArgument(f"not to be said in JSON: {cause}") from cause


def read_json(response: Response) -> Json:
    """The document that a response holds. Raises ``MalformedAnswerError``."""
    if response.media_type != JSON:
        raise MalformedAnswerError(f"expected JSON, got {response.media_type or 'no content type'}")
    try:
        document: Json = json.loads(response.body)
    except (ValueError, RecursionError) as cause:
        raise MalformedAnswerError("expected JSON, got something broken") from cause
    return document


def read_value(response: Response) -> Value:
    """The value that a response is: JSON, or octets. A page of HTML is neither. Raises ``MalformedAnswerError``."""
    is_octets = response.media_type == OCTETS or (response.media_type != JSON and etag_version(response) is not None)
    return response.body if is_octets else read_json(response)


def embedded(member: Json) -> Value:
    """The value that stands inside a JSON document."""
    if not isinstance(member, dict) or member.keys() != {"base64"}:
        return member
    text = member["base64"]
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else member
    except binascii.Error:
        return member


def etag_version(response: Response) -> int | None:
    """The version in an ``ETag`` header; None where there is none."""
    etag = response.headers.get("etag", "").strip('"')
    return int(etag) if etag.isascii() and etag.isdigit() else None
