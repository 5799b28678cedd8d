"""How large and how long: the last thing that is allowed, and the first that is not."""

import pytest

from synap.errors import InvalidKeyError, InvalidTtlError, TooLargeError
from synap.keyspace import Limits
from synap.keyspace.limits import MAX_TTL_MS, checked_deadline, deadline_after

from .build import NOW

TEN_YEARS_MS = 315_360_000_000


def test_the_limits_that_are_documented() -> None:
    assert (Limits().key_max_bytes, Limits().value_max_bytes) == (65_536, 8_388_608)
    assert MAX_TTL_MS == TEN_YEARS_MS


@pytest.mark.parametrize("key", [b"k", b"\0", "ü😀".encode(), b" ", b"k" * 10])
def test_keys(key: bytes) -> None:
    Limits(key_max_bytes=10).check_key(key)


@pytest.mark.parametrize("key", [b"\xff", b"\xc3", b"abc\xc3\x28", b"\xed\xa0\x80"])
def test_a_key_that_is_not_utf8_is_named_by_the_place(key: bytes) -> None:
    with pytest.raises(InvalidKeyError, match=f"byte {3 if key.startswith(b'abc') else 0} is not"):
        Limits().check_key(key)


def test_an_empty_key() -> None:
    with pytest.raises(InvalidKeyError, match="must not be empty") as caught:
        Limits().check_key(b"")
    assert caught.value.field == "key"


def test_a_key_that_is_too_long() -> None:
    with pytest.raises(TooLargeError, match="key is too large: 11 bytes, the limit is 10") as caught:
        Limits(key_max_bytes=10).check_key(b"\xff" * 11)
    assert (caught.value.what, caught.value.size, caught.value.limit) == ("key", 11, 10)


def test_a_key_is_named_as_the_client_calls_it() -> None:
    for key, error in ((b"", InvalidKeyError), (b"\xff", InvalidKeyError), (b"12345", TooLargeError)):
        with pytest.raises(error, match=r"^destination ") as caught:
            Limits(key_max_bytes=4).check_key(key, "destination")
        assert caught.value.field == "destination"


def test_a_value_that_is_not_made_yet() -> None:
    Limits(value_max_bytes=4).check_value_size(4)
    with pytest.raises(TooLargeError, match="value is too large: 5 bytes, the limit is 4"):
        Limits(value_max_bytes=4).check_value_size(5)


def test_values() -> None:
    limits = Limits(value_max_bytes=4)
    limits.check_value(b"")
    limits.check_value(b"\xff\xff\xff\xff")
    with pytest.raises(TooLargeError, match="value is too large: 5 bytes, the limit is 4"):
        limits.check_value(b"12345")


@pytest.mark.parametrize("ttl_ms", [1, TEN_YEARS_MS])
def test_a_time_to_live_is_counted_from_now(ttl_ms: int) -> None:
    assert deadline_after(NOW, ttl_ms) == NOW + ttl_ms
    assert checked_deadline(NOW, NOW + ttl_ms) == NOW + ttl_ms


@pytest.mark.parametrize(
    ("ttl_ms", "why"), [(0, "greater than 0"), (-1, "greater than 0"), (TEN_YEARS_MS + 1, "ten years")]
)
def test_a_time_to_live_that_is_refused(ttl_ms: int, why: str) -> None:
    with pytest.raises(InvalidTtlError, match=why) as caught:
        deadline_after(NOW, ttl_ms)
    assert caught.value.field == "ttl"


@pytest.mark.parametrize(
    ("deadline_ms", "why"), [(NOW, "in the future"), (0, "in the future"), (NOW + TEN_YEARS_MS + 1, "ten years")]
)
def test_a_deadline_that_is_refused(deadline_ms: int, why: str) -> None:
    with pytest.raises(InvalidTtlError, match=why):
        checked_deadline(NOW, deadline_ms)
