"""Values as published clients read them: as text, whatever they were set as.

Those clients store what they are given as JSON text in a string, and parse what they get. So text comes as it is, and
json as its JSON text: as an object, it would be taken for something around the value. Octets that are UTF-8 are text
here; others are not shown where only one value is asked for (null would say that there is none), and in base64 where
others stand beside them, or where they are gone once they were read.
"""

import base64

from synap.commands import Kind
from synap.errors import InvalidValueError
from synap.results import Found


def to_text(found: Found | None) -> str | None:
    """The value of one key, None where there is none. Raises ``InvalidValueError`` for octets that are no text."""
    if found is None:
        return None
    try:
        return found.value.decode()
    except UnicodeDecodeError as cause:
        raise InvalidValueError(
            "the value of this key is octets, not text; GET /kv/value/KEY gives them", field="key"
        ) from cause


def to_text_or_base64(found: Found | None) -> object:
    """As ``to_text``, but for octets that are no text: ``{"base64": "..."}``, as elsewhere inside of JSON."""
    if found is None or found.kind != Kind.BYTES:
        return to_text(found)
    try:
        return found.value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(found.value).decode()}
