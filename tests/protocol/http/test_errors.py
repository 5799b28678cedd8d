"""The table of errors, row by row; the tree of exceptions, leaf by leaf."""

import json
from pathlib import Path

import pytest

from synap import errors
from synap.protocol.http.errors import TABLE, respond_to_error
from synap.protocol.http.message import header

DISK = OSError(5, "Input/output error")

ROWS: list[tuple[Exception, int, str, dict[str, object]]] = [
    (errors.InvalidKeyError("k"), 400, "invalid_key", {"field": "key"}),
    (errors.InvalidValueError("v"), 400, "invalid_value", {}),
    (errors.InvalidTtlError("t"), 400, "invalid_ttl", {"field": "ttl"}),
    (errors.InvalidTtlError("t", field="touch"), 400, "invalid_ttl", {"field": "touch"}),
    (errors.TooLargeError("value", 9, 8), 413, "too_large", {"field": "value", "limit": 8, "unit": "bytes"}),
    (errors.TooLargeError("batch", 9, 8, "keys"), 413, "too_large", {"field": "batch", "limit": 8, "unit": "keys"}),
    (errors.MissingKeyError(), 404, "missing_key", {"field": "key"}),
    (errors.KeyExistsError(), 409, "key_exists", {"field": "destination"}),
    (errors.VersionMismatchError(1, 2), 412, "version_mismatch", {"current_version": 2}),
    (errors.VersionMismatchError(1, None), 412, "version_mismatch", {"current_version": None}),
    (errors.MalformedRequestError("m", field="body"), 400, "malformed_request", {"field": "body"}),
    (errors.InvalidParameterError("p", field="limit"), 400, "invalid_parameter", {"field": "limit"}),
    (errors.NotAuthenticatedError("wrong", "w"), 401, "not_authenticated", {"field": "authorization"}),
    (errors.NotPermittedError("writer", "w"), 403, "not_permitted", {"needs": "writer"}),
    (errors.CrossOriginError("o"), 403, "cross_origin", {"field": "origin"}),
    (errors.UnknownRouteError("u"), 404, "unknown_route", {}),
    (errors.MethodNotAllowedError("PUT", ("GET", "HEAD")), 405, "method_not_allowed", {}),
    (errors.RequestTimeoutError(30), 408, "request_timeout", {"field": "body"}),
    (errors.TrimmedError(7, 12), 410, "trimmed", {"field": "after", "earliest_seq": 12}),
    (errors.UnsupportedMediaTypeError("m", field="x"), 415, "unsupported_media_type", {"field": "x"}),
    (errors.WrongShapeError("a.b", "str", "got int"), 422, "wrong_shape", {"field": "a.b", "expected": "str"}),
    (errors.UnknownCommandError("u"), 400, "unknown_command", {"field": "command"}),
    (errors.FlushOffError(), 403, "flush_off", {}),
    (errors.ForeignHostError(), 421, "foreign_host", {"field": "host"}),
    (errors.TooManyFailuresError(60), 429, "too_many_failures", {}),
    (errors.StreamVersionError("2"), 505, "http_version", {"outcome": "not_written"}),
    (errors.HeadersTooLargeError(9, 8), 431, "headers_too_large", {"limit": 8, "unit": "bytes"}),
    (errors.CommandError("c"), 400, "bad_request", {}),
    (errors.NotReadyError("n"), 503, "not_ready", {"outcome": "not_written"}),
    (errors.OverloadedError("o"), 503, "overloaded", {"outcome": "not_written"}),
    (errors.DiskFullError("d"), 507, "disk_full", {"outcome": "not_written"}),
    (errors.MemoryLimitError(9, 8, "r"), 507, "memory_limit", {"outcome": "not_written"}),
    (errors.UnavailableError("u"), 503, "unavailable", {"outcome": "not_written"}),
    (errors.SnapshotsOffError("s"), 409, "snapshots_off", {}),
    (errors.SnapshotNoRoomError("n"), 507, "disk_full", {"outcome": "not_written"}),
    (errors.SnapshotFailedError("/secret"), 500, "snapshot_failed", {"outcome": "not_written"}),
    (errors.LogConflictError(1, 2), 503, "log_conflict", {"outcome": "not_written"}),
    (errors.LogFailedError("fsync", Path("/secret"), DISK), 500, "log_failed", {"outcome": "unknown"}),
    (errors.CodecError("c"), 500, "internal_error", {"outcome": "unknown"}),
    (ValueError("secret"), 500, "internal_error", {"outcome": "unknown"}),
]


@pytest.mark.parametrize(("error", "status", "name", "data"), ROWS, ids=lambda row: type(row).__name__)
def test_rows(error: Exception, status: int, name: str, data: dict[str, object]) -> None:
    response = respond_to_error(error)
    told = json.loads(response.body)
    assert response.status == status
    assert header(response.headers, b"content-type") == b"application/json"
    assert header(response.headers, b"cache-control") == b"no-store"
    assert told.pop("error")
    assert told == {"code": status, "type": name} | data


def test_every_row_is_tested() -> None:
    tested = {type(error) for error, *_ in ROWS}
    assert all(any(issubclass(row, known) for row in tested) for known in TABLE)


def test_a_type_name_means_one_thing() -> None:
    """A disk without room is one thing, whatever was to be written to it."""
    shown = [row for error, row in TABLE.items() if error is not errors.SnapshotNoRoomError]
    assert len({row.type for row in shown}) == len(shown)
    assert TABLE[errors.SnapshotNoRoomError] == TABLE[errors.DiskFullError]


def test_every_client_error_has_a_row_of_its_own() -> None:
    leaves = [leaf for branch in errors.ClientError.__subclasses__() for leaf in branch.__subclasses__()]
    assert len(leaves) == 24
    assert set(leaves) <= set(TABLE)


@pytest.mark.parametrize("error", [error for error, status, *_ in ROWS if status < 500], ids=lambda e: type(e).__name__)
def test_a_client_error_speaks_for_itself(error: Exception) -> None:
    assert json.loads(respond_to_error(error).body)["error"] == str(error)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (errors.OverloadedError("the queue is full"), "the queue is full; nothing was written"),
        (errors.OverloadedError("nothing was written: it is full"), "nothing was written: it is full"),
        (
            errors.LogFailedError("fsync", Path("/secret"), DISK),
            "the disk failed while the write was being logged; whether the write happened is unknown",
        ),
        (errors.SnapshotFailedError("/secret"), "no snapshot was taken; the log has everything; nothing was written"),
        (ValueError("secret"), "an error inside the server; whether the write happened is unknown"),
    ],
)
def test_a_server_error_says_what_became_of_the_write(error: Exception, sentence: str) -> None:
    assert json.loads(respond_to_error(error).body)["error"] == sentence


def test_nothing_is_unknown_about_a_read() -> None:
    told = json.loads(respond_to_error(ValueError(), may_have_written=False).body)
    assert told["outcome"] == "not_written"
    assert told["error"].endswith("; nothing was written")


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (errors.NotReadyError("n"), b"retry-after", b"1"),
        (errors.DiskFullError("d"), b"retry-after", b"5"),
        (errors.LogConflictError(1, 2), b"retry-after", b"1"),
        (errors.TooManyFailuresError(60), b"retry-after", b"60"),
        (errors.NotAuthenticatedError("wrong", "w"), b"www-authenticate", b'Bearer realm="synap"'),
        (errors.NotPermittedError("writer", "w"), b"www-authenticate", None),
        (errors.MethodNotAllowedError("PUT", ("GET", "HEAD")), b"allow", b"GET, HEAD"),
        (errors.LogFailedError("fsync", Path("/secret"), DISK), b"retry-after", None),
        (errors.InvalidKeyError("k"), b"retry-after", None),
    ],
)
def test_headers(error: Exception, name: bytes, value: bytes | None) -> None:
    assert header(respond_to_error(error).headers, name) == value
