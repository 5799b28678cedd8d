"""The headers of a response."""

from http.cookies import SimpleCookie

import pytest

from synap_sdk.sessions import SessionOptions, Verdict, cache_control, set_cookie

ID = "a" * 43


def test_an_id() -> None:
    assert set_cookie(Verdict(ID), SessionOptions(ttl=90.5)) == (
        f"session_id={ID}; Max-Age=90; Path=/; Secure; HttpOnly; SameSite=Lax"
    )


def test_an_end() -> None:
    assert set_cookie(Verdict(forget=True), SessionOptions()) == (
        "session_id=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; Secure; HttpOnly; SameSite=Lax"
    )


def test_nothing_to_say() -> None:
    assert set_cookie(Verdict(accessed=True), SessionOptions()) is None


def test_as_the_application_wants_it() -> None:
    options = SessionOptions(cookie="sid", path="/app", domain="example.com", secure=False, same_site="Strict")
    (morsel,) = SimpleCookie(set_cookie(Verdict(ID), options)).values()
    assert (morsel.key, morsel.value) == ("sid", ID)
    assert (morsel["path"], morsel["domain"], morsel["samesite"]) == ("/app", "example.com", "Strict")
    assert (morsel["secure"], morsel["httponly"]) == ("", True)


@pytest.mark.parametrize(
    ("verdict", "chosen", "control"),
    [
        (Verdict(), None, None),
        (Verdict(), "public", None),
        (Verdict(accessed=True), None, "private"),
        (Verdict(accessed=True), "public, max-age=60", None),
        (Verdict(ID, accessed=True), None, "no-store"),
        (Verdict(ID, accessed=True), "public, max-age=60", "no-store"),
        (Verdict(ID, accessed=True), "Private, max-age=60", None),
        (Verdict(ID, accessed=True), "no-store", None),
        (Verdict(forget=True, accessed=True), "public", "no-store"),
    ],
)
def test_what_may_be_kept_by_others(verdict: Verdict, chosen: str | None, control: str | None) -> None:
    assert cache_control(verdict, chosen) == control
