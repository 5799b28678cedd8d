from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from synap.errors import InvalidParameterError, InvalidTtlError, WrongShapeError
from synap.protocol.http import ttl
from synap.protocol.http.ttl import Lifetime

TEN_YEARS_S = 10 * 365 * 24 * 60 * 60


def raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0", 0),
        ("-0", 0),
        ("-0.0", 0),
        ("0e99999999", 0),
        ("1", 1000),
        ("60.0", 60_000),
        ("6e1", 60_000),
        ("0.0004", 0),
        ("0.0005", 1),
        ("0.0045", 5),
        ("1e-400", 0),
        ("1.0015", 1002),
        ("1.99949999999999999999999999999999999999", 1999),
        (str(TEN_YEARS_S), TEN_YEARS_S * 1000),
        # Ten years are the keyspace's to judge, also for milliseconds and deadlines.
        (str(TEN_YEARS_S + 1), (TEN_YEARS_S + 1) * 1000),
    ],
)
def test_seconds_are_exact_milliseconds(text: str, ms: int) -> None:
    assert ttl.of_json(raw(text), "ttl") == ms


@given(st.integers(0, TEN_YEARS_S), st.integers(0, 10**6 - 1))
def test_any_decimal_is_rounded_half_up(seconds: int, micros: int) -> None:
    exact = Fraction(seconds * 10**6 + micros, 1000)
    assert ttl.of_json(raw(f"{seconds}.{micros:06}"), "ttl") == int(exact + Fraction(1, 2))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"60"', "got a string"),
        ("true", "got a boolean"),
        ("false", "got a boolean"),
        ("null", "got null"),
        ("[1]", "got an array"),
        ("{}", "got an object"),
        ("-1", "got a negative one"),
        ("-0.0001", "got a negative one"),
        ("-1e400", "got a negative one"),
    ],
)
def test_what_is_no_time(text: str, found: str) -> None:
    with pytest.raises(WrongShapeError, match=found) as caught:
        ttl.of_json(raw(text), "ttl")
    assert (caught.value.field, caught.value.expected) == ("ttl", "a non-negative number")


@pytest.mark.parametrize(
    "text", ["1e400", "1e9999999999999999999", "1e-9999999999999999999", "9" * 5000, "253402300801"]
)
def test_what_is_out_of_bounds(text: str) -> None:
    with pytest.raises(InvalidTtlError, match="ttl: ") as caught:
        ttl.of_json(raw(text), "ttl")
    assert caught.value.field == "ttl"


def test_not_zero() -> None:
    assert ttl.not_zero(1, "ttl") == 1
    with pytest.raises(InvalidTtlError, match="ttl: must be greater than 0"):
        ttl.not_zero(0, "ttl")


@pytest.mark.parametrize(
    ("expiry_type", "number", "lifetime"),
    [
        ("seconds", "1.5", Lifetime(ttl_ms=1500)),
        ("milliseconds", "1.5", Lifetime(ttl_ms=2)),
        ("unix_seconds", "1700000000.25", Lifetime(deadline_ms=1_700_000_000_250)),
        ("unix_milliseconds", "1700000000250", Lifetime(deadline_ms=1_700_000_000_250)),
        ("unix_seconds", "0", Lifetime(deadline_ms=0)),
    ],
)
def test_expiry(expiry_type: str, number: str, lifetime: Lifetime) -> None:
    assert ttl.of_expiry(expiry_type, raw(number)) == lifetime


@pytest.mark.parametrize("expiry_type", ["seconds", "milliseconds"])
def test_expiry_at_once_is_refused(expiry_type: str) -> None:
    with pytest.raises(InvalidTtlError) as caught:
        ttl.of_expiry(expiry_type, raw("0"))
    assert caught.value.field == "expiry.value"


def test_expiry_of_an_unknown_type() -> None:
    with pytest.raises(WrongShapeError, match=r"one of seconds, milliseconds, .*, got 'minutes'") as caught:
        ttl.of_expiry("minutes", raw("1"))
    assert caught.value.field == "expiry.type"


def test_a_field_that_may_be_missing() -> None:
    assert ttl.of_field(UNSET, "ttl") is None
    assert ttl.of_field(raw("1.5"), "ttl") == 1500
    with pytest.raises(InvalidTtlError, match=r"pairs\[0\].ttl: must be greater than 0"):
        ttl.of_field(raw("0"), "pairs[0].ttl")
    with pytest.raises(WrongShapeError):
        ttl.of_field(raw("null"), "ttl")


@pytest.mark.parametrize(("left_ms", "seconds"), [(None, -1), (1, 0), (999, 0), (1000, 1), (59_999, 59)])
def test_whole_seconds(left_ms: int | None, seconds: int) -> None:
    assert ttl.whole_seconds(left_ms) == seconds


def test_a_query_parameter() -> None:
    assert ttl.of_text("60", "touch") == 60_000
    assert ttl.of_text("0.5", "touch") == 500


@pytest.mark.parametrize("text", ["", "abc", "-1", "+1", " 1", "1s", "NaN", "Infinity", "1_0", "0x1", "٣"])
def test_a_query_parameter_that_is_no_number(text: str) -> None:
    with pytest.raises(InvalidParameterError, match="touch: expected a positive number of seconds"):
        ttl.of_text(text, "touch")


@pytest.mark.parametrize("text", ["0", "0.0001", "1e400"])
def test_a_query_parameter_that_is_no_time(text: str) -> None:
    with pytest.raises(InvalidTtlError, match="touch: "):
        ttl.of_text(text, "touch")
