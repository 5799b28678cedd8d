"""What schemathesis is to send otherwise than it would; it loads this module by itself.

* It takes a number in the place of text for a header field that fits any schema of text, and then says that a condition
  which is none (``If-Match: 0``) should have been accepted.
* It does not know that two conditions exclude each other.
* It would make keys so long that the head of the request is refused before anybody reads it; ``test_connections`` does.
* It would wait for streams that have no end, and for what never happens; ``test_events`` does.
"""

import re
from collections.abc import MutableMapping
from typing import Protocol

import schemathesis

PATH_MAX_CHARS = 150_000
"""Enough for any key that is too long."""

WAIT_MAX_S = 60

_CONDITION = re.compile(r'"[0-9]{1,19}"')


class _Case(Protocol):
    """What is used of ``schemathesis.Case``."""

    path: str
    headers: MutableMapping[str, object] | None
    query: MutableMapping[str, object] | None

    @property
    def formatted_path(self) -> str: ...


@schemathesis.hook
def filter_case(_: schemathesis.HookContext, case: _Case) -> bool:
    """Whether the condition in the header, if there is one, can be one, and the path can be read."""
    condition = (case.headers or {}).get("If-Match")
    fits = condition is None or _CONDITION.fullmatch(str(condition)) is not None
    return fits and len(case.formatted_path) <= PATH_MAX_CHARS


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: _Case, __: object) -> None:
    """One condition at a time. And watch without waiting, unless what is asked for is no wait at all."""
    if case.headers and "If-Match" in case.headers:
        case.headers.pop("If-None-Match", None)
    if case.path == "/events":
        query = case.query or {}
        wait = str(query.get("wait", WAIT_MAX_S))
        if wait.isascii() and wait.isdigit() and int(wait) <= WAIT_MAX_S:
            case.query = {**query, "wait": 0}
