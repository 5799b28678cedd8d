"""The events of the feed: what happened to which key, and why."""

import json
from dataclasses import dataclass, field

from synap_sdk._core import fields
from synap_sdk._core.values import MalformedAnswerError, Value, embedded


@dataclass(frozen=True, slots=True)
class Change:
    """One event of the store.

    ``seq`` is its number, and counts up; ``type`` says what happened to the ``key``, ``cause`` why, both in the
    server's words. Where all keys under a prefix were removed at once, ``prefix`` is that, and ``key`` is None.
    ``version`` and ``deadline_ms`` (milliseconds since the epoch) are what the key has now, None where it has none.
    ``value`` is there if values were asked for and the key has one; ``time_ms`` is when it happened.
    """

    seq: int
    type: str
    key: str | None
    cause: str | None = None
    version: int | None = None
    deadline_ms: int | None = None
    value: Value = field(default=None, repr=False)
    prefix: str | None = None
    time_ms: int | None = None


def read_change(data: str) -> Change:
    """The change that the data of an event says. Raises ``MalformedAnswerError``."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as cause:
        raise MalformedAnswerError("an event that is not JSON") from cause
    if not isinstance(document, dict):
        raise MalformedAnswerError("an event that is no JSON object")
    return Change(
        seq=fields.whole_number(document, "seq"),
        type=fields.text(document, "type"),
        key=fields.text_or_none(document, "key"),
        cause=fields.text_or_none(document, "cause"),
        version=fields.whole_number_or_none(document, "version"),
        deadline_ms=fields.whole_number_or_none(document, "deadline_ms"),
        value=embedded(document.get("value")),
        prefix=fields.text_or_none(document, "prefix"),
        time_ms=fields.whole_number_or_none(document, "time_ms"),
    )
