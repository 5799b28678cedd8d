"""What each error is over HTTP: one table, and the body made from it.

The body is ``{"error": sentence, "code": status, "type": name}`` and, where the error carries them, ``field``,
``expected``, ``limit``, ``unit``, ``current_version``, ``needs``. Names are stable: clients branch on them. Any 5xx
also has ``outcome``: "not_written", or "unknown" where the write may or may not have happened.
"""

import msgspec

from synap import errors
from synap.protocol.http.message import Response
from synap.protocol.http.render import json_response

_NOT_WRITTEN = "not_written"
_UNKNOWN = "unknown"


class Shown(msgspec.Struct, frozen=True):
    """How an error is shown. ``outcome`` is what became of the write; None for a 4xx, which never wrote.

    ``sentence`` replaces the error's own where that one is for the operator: paths, system calls.
    """

    status: int
    type: str
    outcome: str | None = None
    sentence: str | None = None


TABLE: dict[type[BaseException], Shown] = {
    errors.InvalidKeyError: Shown(400, "invalid_key"),
    errors.InvalidValueError: Shown(400, "invalid_value"),
    errors.InvalidTtlError: Shown(400, "invalid_ttl"),
    errors.TooLargeError: Shown(413, "too_large"),
    errors.MissingKeyError: Shown(404, "missing_key"),
    errors.KeyExistsError: Shown(409, "key_exists"),
    errors.VersionMismatchError: Shown(412, "version_mismatch"),
    errors.FlushOffError: Shown(403, "flush_off"),
    errors.MalformedRequestError: Shown(400, "malformed_request"),
    errors.InvalidParameterError: Shown(400, "invalid_parameter"),
    errors.NotAuthenticatedError: Shown(401, "not_authenticated"),
    errors.NotPermittedError: Shown(403, "not_permitted"),
    errors.CrossOriginError: Shown(403, "cross_origin"),
    errors.UnknownRouteError: Shown(404, "unknown_route"),
    errors.MethodNotAllowedError: Shown(405, "method_not_allowed"),
    errors.RequestTimeoutError: Shown(408, "request_timeout"),
    errors.UnsupportedMediaTypeError: Shown(415, "unsupported_media_type"),
    errors.UnknownCommandError: Shown(400, "unknown_command"),
    errors.ForeignHostError: Shown(421, "foreign_host"),
    errors.WrongShapeError: Shown(422, "wrong_shape"),
    errors.TooManyFailuresError: Shown(429, "too_many_failures"),
    errors.StreamVersionError: Shown(505, "http_version", _NOT_WRITTEN),
    errors.HeadersTooLargeError: Shown(431, "headers_too_large"),
    errors.TrimmedError: Shown(410, "trimmed"),
    errors.ClientError: Shown(400, "bad_request"),
    errors.NotReadyError: Shown(503, "not_ready", _NOT_WRITTEN),
    errors.OverloadedError: Shown(503, "overloaded", _NOT_WRITTEN),
    errors.DiskFullError: Shown(507, "disk_full", _NOT_WRITTEN),
    errors.MemoryLimitError: Shown(507, "memory_limit", _NOT_WRITTEN),
    errors.UnavailableError: Shown(503, "unavailable", _NOT_WRITTEN),
    errors.SnapshotsOffError: Shown(409, "snapshots_off"),
    errors.SnapshotNoRoomError: Shown(507, "disk_full", _NOT_WRITTEN),
    errors.SnapshotError: Shown(500, "snapshot_failed", _NOT_WRITTEN, "no snapshot was taken; the log has everything"),
    errors.LogConflictError: Shown(503, "log_conflict", _NOT_WRITTEN, "another writer was faster; try again"),
    errors.LogFailedError: Shown(500, "log_failed", _UNKNOWN, "the disk failed while the write was being logged"),
    BaseException: Shown(500, "internal_error", _UNKNOWN, "an error inside the server"),
}
"""The nearest base class of an error decides."""

_OUTCOMES = {
    _NOT_WRITTEN: "nothing was written",
    _UNKNOWN: "whether the write happened is unknown",
}


_CHALLENGES = (
    (b"www-authenticate", b'Bearer realm="synap"'),
    (b"www-authenticate", b'Basic realm="synap", charset="UTF-8"'),
)
"""What a client may come with (RFC 6750 and RFC 7617)."""


def show(error: Exception) -> Shown:
    """The row of the table for an error."""
    return next(TABLE[base] for base in type(error).__mro__ if base in TABLE)


def respond_to_error(error: Exception, *, may_have_written: bool = True) -> Response:
    """The response to a request that ended in ``error``.

    ``may_have_written`` is False where the request was a read, so that nothing is unknown about it.
    """
    shown = show(error)
    sentence = shown.sentence or str(error)
    details = _details(error)
    if shown.outcome is not None:
        outcome = shown.outcome if may_have_written else _NOT_WRITTEN
        details["outcome"] = outcome
        sentence = _with_outcome(sentence, _OUTCOMES[outcome])
    body = {"error": sentence, "code": shown.status, "type": shown.type, **details}
    return json_response(body, status=shown.status, extra=_headers(error))


def _with_outcome(sentence: str, outcome: str) -> str:
    """The sentence with what became of the write, unless whoever raised the error has already said it."""
    return sentence if outcome in sentence else f"{sentence}; {outcome}"


def _details(error: Exception) -> dict[str, object]:
    """What the error carries and a client can use."""
    details: dict[str, object] = {}
    if isinstance(error, errors.ClientError) and error.field is not None:
        details["field"] = error.field
    match error:
        case errors.WrongShapeError():
            details["expected"] = error.expected
        case errors.TooLargeError():
            details |= {"limit": error.limit, "unit": error.unit}
        case errors.HeadersTooLargeError():
            details |= {"limit": error.limit, "unit": "bytes"}
        case errors.VersionMismatchError():
            details["current_version"] = error.current
        case errors.NotPermittedError():
            details["needs"] = error.needs
        case errors.TrimmedError():
            details["earliest_seq"] = error.earliest_seq
    return details


def _headers(error: Exception) -> tuple[tuple[bytes, bytes], ...]:
    match error:
        case errors.NotAuthenticatedError():
            return _CHALLENGES
        case errors.UnavailableError() | errors.TooManyFailuresError():
            return ((b"retry-after", b"%d" % error.retry_after_s),)
        case errors.LogConflictError():
            return ((b"retry-after", b"1"),)
        case errors.MethodNotAllowedError():
            return ((b"allow", ", ".join(error.allowed).encode()),)
    return ()
