"""``Session``: what a request has in hand, whatever the store is."""

from collections.abc import Callable
from typing import Any

import pytest

from synap_sdk import InvalidArgument, SessionClosed, SessionUnavailable
from synap_sdk.sessions import Session
from synap_sdk.sessions._core.identity import tag_of
from synap_sdk.sessions._core.session import Opened, Stored

ID = "a" * 43


def stored(data: Any, session_id: str = ID) -> Session:
    return Session(lambda: Opened(Stored(session_id, 7, data, 3600)), had_cookie=True)


def empty() -> Session:
    return Session(lambda: Opened(None))


def test_a_dictionary() -> None:
    session = stored({"a": 1})
    session["b"] = [2]
    assert dict(session) == {"a": 1, "b": [2]}
    assert (session["a"], session.get("c"), "b" in session, len(session)) == (1, None, True, 2)
    del session["a"]
    assert session.setdefault("c", 3) == 3
    session.update(d=4)
    assert session.pop("d") == 4
    assert list(session) == ["b", "c"]
    session.clear()
    assert not session
    with pytest.raises(KeyError):
        session["a"]


def test_it_is_looked_for_once_and_not_before_it_is_used() -> None:
    asked: list[int] = []

    def opening() -> Opened:
        asked.append(1)
        return Opened(None)

    session = Session(opening)
    assert (session.accessed, session.is_open, session.modified, asked) == (False, False, False, [])
    assert (session.get("a"), session.new, session.id) == (None, True, None)
    assert (session.accessed, session.is_open, asked) == (True, True, [1])


def test_what_is_new() -> None:
    assert empty().new
    session = stored({"a": 1})
    assert not session.new
    assert session.id == ID
    assert ID not in repr(session) + repr(session.opened)


def nest(session: Session) -> None:
    session["list"].append(2)


@pytest.mark.parametrize(
    ("act", "is_modified"),
    [
        (lambda session: session.get("n"), False),
        (lambda session: session.__setitem__("n", 1), False),
        (lambda session: session.__setitem__("n", True), True),
        (lambda session: session.__setitem__("n", 2), True),
        (lambda session: session.pop("n"), True),
        (lambda session: session.clear(), True),
        (lambda session: session.change("n", lambda n: n), False),
        (lambda session: session.change("n", lambda n: n + 1), True),
        (lambda session: session.rotate(), True),
        (lambda session: session.invalidate(), True),
        (nest, True),
    ],
)
def test_what_is_a_change(act: Callable[[Session], object], is_modified: bool) -> None:
    """Compared with what is stored, so also one inside a value."""
    session = stored({"n": 1, "list": [1]})
    act(session)
    assert session.modified is is_modified


@pytest.mark.parametrize("value", [{1}, b"", object(), {1: 2}, float("inf")])
def test_what_json_cannot_say_is_refused_where_it_is_put_in(value: Any) -> None:
    session = empty()
    with pytest.raises(InvalidArgument, match=r"session\['a'\]"):
        session["a"] = value
    with pytest.raises(InvalidArgument):
        session[7] = 1  # type: ignore[index]
    with pytest.raises(InvalidArgument):
        session.change("a", lambda _: value)
    assert not session


def test_what_json_cannot_say_inside_a_value_is_refused_when_it_is_stored() -> None:
    session = stored({"list": []})
    session["list"].append({1})
    with pytest.raises(InvalidArgument, match=r"session\['list'\]\[0\]"):
        session.content()


def test_change() -> None:
    session = stored({"n": 1})
    assert session.change("n", lambda n: n + 1) == 2
    assert session.change("m", lambda m: (m or 10) + 1) == 11
    assert dict(session) == {"n": 2, "m": 11}


def test_rotate() -> None:
    session = stored({"n": 1})
    session.rotate()
    assert (session.wants_rotation, session.tag) == (True, None)
    session.rotate(owner="ada")
    assert session.tag == tag_of("ada")
    session = stored({}, f"{tag_of('ada')}.{ID}")
    session.rotate()
    assert session.tag == tag_of("ada"), "still hers"


def test_invalidate_and_begin_another() -> None:
    session = stored({"n": 1}, f"{tag_of('ada')}.{ID}")
    session.rotate()
    session.invalidate()
    assert (dict(session), session.new, session.ended, session.tag) == ({}, True, f"{tag_of('ada')}.{ID}", None)
    assert not session.wants_rotation
    session["flash"] = "bye"
    assert session.content() == {"flash": "bye"}


def test_trouble_is_told_again_and_not_waited_for_again() -> None:
    error = SessionUnavailable("away")
    asked: list[int] = []

    def opening() -> Opened:
        asked.append(1)
        raise error

    session = Session(opening)
    for _ in range(3):
        with pytest.raises(SessionUnavailable) as caught:
            session.get("a")
        assert caught.value is error
    assert asked == [1]
    assert not session.is_open
    assert not session.modified


@pytest.mark.parametrize(
    "change",
    [
        lambda session: session.__setitem__("a", 1),
        lambda session: session.clear(),
        lambda session: session.rotate(),
        lambda session: session.invalidate(),
        lambda session: session.change("a", lambda _: 1),
    ],
)
def test_what_nobody_could_look_for_can_only_be_read(change: Callable[[Session], object]) -> None:
    error = SessionUnavailable("away")
    session = Session(lambda: Opened(None, instead_of=error))
    assert dict(session) == {}
    with pytest.raises(SessionUnavailable):
        change(session)
    assert not session.modified


def test_closed() -> None:
    session = stored({"a": 1})
    session.close("too late")
    assert session["a"] == 1
    for change in (lambda: session.pop("a"), session.rotate, session.invalidate, session.clear):
        with pytest.raises(SessionClosed, match="too late"):
            change()


def test_cleared() -> None:
    """That everything is to go says more than that each thing is."""
    session = stored({"a": 1})
    session.pop("a")
    assert not session.is_cleared
    session.clear()
    assert session.is_cleared
    session.invalidate()
    assert not session.is_cleared, "this one was not"


def test_settled() -> None:
    session = stored({"a": 1})
    session.clear()
    session.change("a", lambda a: (a or 1) + 1)
    session.rotate()
    session.settle(Stored("b" * 43, 8, {"a": 2}, 60))
    assert not session.is_cleared
    assert (session.modified, session.id, dict(session)) == (False, "b" * 43, {"a": 2})
    session.settle(None)
    assert (session.modified, session.id, dict(session)) == (False, None, {})
