import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.errors import MalformedRequestError
from synap.protocol.http.cursor import from_cursor, to_cursor


@given(st.binary(min_size=1))
def test_round_trip(last_key: bytes) -> None:
    cursor = to_cursor(last_key)
    assert cursor is not None
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&% ")
    assert from_cursor(cursor) == last_key


def test_the_ends() -> None:
    assert to_cursor(None) is None
    assert from_cursor(None) is None
    assert from_cursor("") is None


@pytest.mark.parametrize("broken", ["a", "%%", "YQ==", "YR", "é", "YW I", "+/+/", "0"])
def test_what_was_never_given_out(broken: str) -> None:
    with pytest.raises(MalformedRequestError, match="not a cursor") as caught:
        from_cursor(broken)
    assert caught.value.field == "cursor"


@given(st.text(min_size=1))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        last_key = from_cursor(text)
    except MalformedRequestError:
        return
    assert to_cursor(last_key) == text
