from synap.protocol.http.errors import TABLE
from synap.protocol.http.openapi.failures import failures_of
from synap.protocol.http.routes import ROUTES

OF_NO_ROUTE = {"unknown_route", "method_not_allowed", "bad_request", "unknown_command", "flush_off"}
"""Where there is no route; what only its subclasses are; what the command endpoint tells in its envelope."""

FAILURES = {f"{route.method} {route.pattern}": failures_of(route) for route in ROUTES}


def types(route: str) -> set[str]:
    return {failure.type for failure in FAILURES[route]}


def test_what_is_everywhere() -> None:
    common = set.intersection(*(types(route) for route in FAILURES))
    assert {"malformed_request", "too_large", "request_timeout", "internal_error", "not_ready"} <= common
    assert types("GET /health") == common
    assert all(failure.everywhere for failure in FAILURES["GET /health"])


def test_what_comes_with_a_body_with_conditions_and_with_writing() -> None:
    assert {"wrong_shape", "unsupported_media_type"} <= types("POST /kv/mget")
    assert types("POST /kv/mget").isdisjoint({"version_mismatch", "disk_full", "log_failed"})
    assert {"version_mismatch", "disk_full", "log_failed"} <= types("POST /kv/incr/{key}")
    assert types("POST /kv/incr/{key}").isdisjoint({"wrong_shape"})
    assert "not_authenticated" in types("GET /kv/get/{key}")


def test_what_a_route_names_itself() -> None:
    assert {"missing_key", "key_exists"} <= types("POST /key/{key}/renamenx")
    assert "trimmed" in types("GET /events")
    (full,) = (failure for failure in FAILURES["POST /snapshot"] if failure.type == "disk_full")
    assert (full.status, full.everywhere) == (507, False)


def test_what_is_said_of_an_error_is_a_sentence() -> None:
    for failures in FAILURES.values():
        assert failures == sorted(failures, key=lambda failure: (failure.status, failure.type))
        for failure in failures:
            assert failure.about.endswith(".")
            assert failure.about[0].isupper()
            assert "``" not in failure.about


def test_every_error_is_told_of_somewhere() -> None:
    told = {failure.type for failures in FAILURES.values() for failure in failures}
    assert {shown.type for shown in TABLE.values()} - told == OF_NO_ROUTE


def test_when_to_try_again_is_told() -> None:
    again = {failure.type for failures in FAILURES.values() for failure in failures if failure.retry_after}
    assert {"not_ready", "overloaded", "too_many_failures", "disk_full"} <= again
