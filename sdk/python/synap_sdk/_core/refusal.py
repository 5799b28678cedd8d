"""Answers: a success is read, everything else becomes the error that it is.

The rule about writes stands here: a 4xx never wrote, and a redirect sent the request elsewhere; a 5xx says what
happened; and where nobody says so, or an answer cannot be read, the outcome is unknown.
"""

import json
from collections.abc import Mapping
from typing import TypeVar

from synap_sdk._core.call import Call
from synap_sdk._core.line import RequestLine
from synap_sdk._core.message import JSON, Response
from synap_sdk._core.values import Json, MalformedAnswerError
from synap_sdk.errors import (
    BadRequest,
    Conflict,
    DiskFull,
    Forbidden,
    HistoryTrimmed,
    NotFound,
    Outcome,
    OutcomeUnknown,
    RateLimited,
    ServerError,
    SynapError,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
    VersionMismatch,
)

R = TypeVar("R")

TABLE: Mapping[int, type[SynapError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: HistoryTrimmed,
    412: VersionMismatch,
    413: TooLarge,
    429: RateLimited,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
    507: DiskFull,
}
"""The class of each status that has one of its own."""

_SAID_ELSEWHERE = {"error", "code", "type", "outcome"}


def answer(call: Call[R], response: Response) -> R:
    """What came of a call. Raises ``SynapError``."""
    if not 200 <= response.status < 300 and response.status not in call.also:
        raise refusal(call.request.line, response, repeatable=call.repeatable)
    try:
        return call.read(response)
    except MalformedAnswerError as cause:
        error = UnexpectedResponse if call.repeatable else OutcomeUnknown
        outcome: Outcome | None = None if call.repeatable else "unknown"
        sentence = f"the answer is none of Synap's: {cause}"
        raise error(sentence, request=call.request.line, status=response.status, outcome=outcome) from cause


def refusal(line: RequestLine, response: Response, *, repeatable: bool) -> SynapError:
    """The error that an answer without success is."""
    said = _document(response)
    outcome = _outcome(said, response.status)
    error = _class_of(response.status)
    if response.status >= 500 and outcome != "not_written" and not repeatable:
        error, outcome = OutcomeUnknown, "unknown"
    sentence, kind = said.get("error"), said.get("type")
    return error(
        sentence if isinstance(sentence, str) else f"answered with status {response.status}, and not by Synap",
        request=line,
        status=response.status,
        type=kind if isinstance(kind, str) else None,
        outcome=outcome,
        retry_after_s=_seconds(response.headers.get("retry-after")),
        details={name: each for name, each in said.items() if name not in _SAID_ELSEWHERE},
    )


def _class_of(status: int) -> type[SynapError]:
    if status < 400:
        return UnexpectedResponse
    return TABLE.get(status, BadRequest if status < 500 else ServerError)


def _outcome(said: Mapping[str, Json], status: int) -> Outcome | None:
    told = said.get("outcome")
    if told == "not_written" or 300 <= status < 500:
        return "not_written"
    return "unknown" if told == "unknown" else None


def _document(response: Response) -> Mapping[str, Json]:
    """What an error says of itself; nothing where it is not one of Synap's."""
    if response.media_type != JSON:
        return {}
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After in seconds. One with a date is none of Synap's, and left to the usual back-off."""
    return float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
