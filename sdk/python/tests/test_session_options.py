"""What an application decides."""

from datetime import timedelta
from typing import Any

import pytest

from synap_sdk import InvalidArgument
from synap_sdk.sessions import SessionOptions


def test_what_is_right_without_a_word() -> None:
    options = SessionOptions()
    assert (options.secure, options.same_site, options.path, options.domain) == (True, "Lax", "/", None)
    assert (options.ttl_s, options.max_age_s, options.when_away) == (3600, 3600, "fail")


@pytest.mark.parametrize(
    "wrong",
    [
        {"ttl": 0},
        {"ttl": -5},
        {"ttl": 0.5},
        {"ttl": float("nan")},
        {"ttl": True},
        {"ttl": "3600"},
        {"prefix": ""},
        {"cookie": ""},
        {"cookie": "a b"},
        {"cookie": "a=b"},
        {"cookie": "ä"},
        {"path": "/;x"},
        {"path": ""},
        {"domain": "example.com; Secure"},
        {"domain": "a\r\nb"},
        {"same_site": "lax"},
        {"same_site": "None", "secure": False},
        {"when_away": "hope"},
        {"cookie": "__Host-id", "domain": "example.com"},
        {"cookie": "__Host-id", "path": "/app"},
        {"cookie": "__Host-id", "secure": False},
    ],
)
def test_what_does_not_fit_together(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        SessionOptions(**wrong)


@pytest.mark.parametrize(
    ("ttl", "seconds"), [(60, 60), (1.5, 1.5), (timedelta(days=7), 604800), (timedelta(0, 90), 90)]
)
def test_times_to_live(ttl: Any, seconds: float) -> None:
    options = SessionOptions(ttl=ttl)
    assert options.ttl_s == seconds
    assert options.max_age_s == int(seconds), "a cookie does not outlive its session"


@pytest.mark.parametrize(
    ("ttl", "left_s", "is_due"),
    [
        (3600, 3600, False),
        (3600, 3540, False),
        (3600, 3539, True),
        (100, 90, False),
        (100, 89, True),
        (100, 0, True),
        (1, 0, True),
        (100, 101, True),
        (100, -1, True),
    ],
)
def test_when_a_session_is_extended(ttl: int, left_s: int, is_due: bool) -> None:
    """Also where it has longer to live than the application wants by now, or for ever."""
    assert SessionOptions(ttl=ttl).is_due(left_s) is is_due
