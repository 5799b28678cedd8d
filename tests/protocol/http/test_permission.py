"""Who may have which wish: every command by role and by the keys it touches, every route as it is in the table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap import commands
from synap.commands import Command, Kind, Pair, Write
from synap.errors import NotPermittedError
from synap.glob import compile_glob
from synap.protocol.http.permission import (
    ANYBODY,
    NOBODY,
    PUBLIC_PATTERNS,
    TOUCHED,
    Grant,
    check,
    may_read_all,
    may_write_all,
)
from synap.protocol.http.router import Route
from synap.protocol.http.routes import ROUTES
from synap.protocol.http.service import Errand, Question, Role, Service, Wish
from tests.protocol.http.support import request, resolve

READER = Grant("r", Role.READER)
WRITER = Grant("w", Role.WRITER)
ADMIN = Grant("a", Role.ADMIN)
OWNER = Grant("o", Role.ADMIN, (b"app:", b"tmp:"))


async def ask(_: Service) -> None:
    raise AssertionError("nobody may ask")


def needs(grant: Grant, wish: Wish[object]) -> str | None:
    """What the grant lacks for the wish."""
    try:
        check(grant, wish)
    except NotPermittedError as error:
        return error.needs
    return None


def all_commands() -> list[type[Command[object]]]:
    def below(kind: type[Command[object]]) -> list[type[Command[object]]]:
        return [each for part in kind.__subclasses__() for each in (part, *below(part))]

    return [kind for kind in below(Command) if not kind.__subclasses__()]


def test_every_command_has_a_row() -> None:
    assert set(all_commands()) == set(TOUCHED)


# --- roles -----------------------------------------------------------------------------------------------

WISHES: list[Command[object]] = [
    commands.Get(b"app:1"),
    commands.GetTouch(b"app:1", 1),
    commands.Delete(b"app:1"),
    commands.DeletePrefix(b"app:"),
    commands.Count(b"app:"),
]


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: type(wish).__name__)
def test_readers_read_and_writers_write(wish: Command[object]) -> None:
    assert needs(READER, wish) == ("writer" if isinstance(wish, Write) else None)
    for grant in (WRITER, ADMIN, ANYBODY, OWNER):
        assert needs(grant, wish) is None
    assert needs(NOBODY, wish) == ("writer" if isinstance(wish, Write) else "reader")


def test_emptying_the_store_is_for_admins() -> None:
    assert needs(WRITER, commands.Flush()) == "admin"
    assert needs(ADMIN, commands.Flush()) is None
    assert needs(OWNER, commands.Flush()) == "prefix"


def test_a_question_says_itself_what_it_needs() -> None:
    for kind in (Question, Errand):
        assert needs(WRITER, kind(ask)) == "admin", "unless it says something else"
        assert needs(ADMIN, kind(ask)) is None
        assert needs(OWNER, kind(ask)) == "prefix", "it tells of all keys"
        assert needs(READER, kind(ask, Role.READER)) is None
        assert needs(NOBODY, kind(ask, Role.PUBLIC)) is None
        assert needs(OWNER, kind(ask, Role.PUBLIC)) is None
        assert needs(OWNER, kind(ask, Role.READER, b"app:x")) is None
        assert needs(OWNER, kind(ask, Role.READER, b"ap")) == "prefix"


# --- keys ------------------------------------------------------------------------------------------------

IN, IN_TOO, OUT = b"app:1", b"tmp:2", b"apple"


def of_one_key(key: bytes) -> list[Command[object]]:
    return [
        commands.Set(key=key, kind=Kind.TEXT, value=b""),
        commands.GetTouch(key, 1),
        commands.GetDelete(key),
        commands.Delete(key),
        commands.Expire(key, 1),
        commands.Persist(key),
        commands.Increment(key, 1),
        commands.Append(key, b""),
        commands.SetRange(key, 0, b""),
        commands.Get(key),
        commands.GetTimed(key),
        commands.GetRange(key, 0, -1),
        commands.Length(key),
        commands.Exists(key),
        commands.TimeToLive(key),
        commands.MemoryUsage(key),
    ]


def of_two_keys(one: bytes, other: bytes) -> list[Command[object]]:
    return [
        commands.Rename(one, other),
        commands.Copy(one, other),
        commands.GetMany((one, other)),
        commands.DeleteMany((one, other)),
        commands.SetMany((Pair(one, Kind.TEXT, b""), Pair(other, Kind.TEXT, b""))),
    ]


def under(prefix: bytes) -> list[Command[object]]:
    return [commands.DeletePrefix(prefix), commands.Scan(prefix, None, 1), commands.Count(prefix)]


def test_the_cases_below_are_all_commands() -> None:
    shown = {type(each) for each in (*of_one_key(IN), *of_two_keys(IN, IN_TOO), *under(IN), commands.Keys(b"", 1))}
    others = {kind.__name__ for kind in set(TOUCHED) - shown}
    assert others == {"Flush", "PurgeExpired", "Evict", "RandomKey"}
    assert all(needs(OWNER, each) == "prefix" for each in (commands.RandomKey(), commands.PurgeExpired(1)))


def test_one_key() -> None:
    for wish in (*of_one_key(IN), *of_one_key(IN_TOO), *of_one_key(b"app:")):
        assert needs(OWNER, wish) is None
    for key in (OUT, b"", b"app", b"APP:1", b" app:1", b"\xff"):
        for wish in of_one_key(key):
            assert needs(OWNER, wish) == "prefix", wish


def test_each_of_several_keys() -> None:
    for wish in of_two_keys(IN, IN_TOO):
        assert needs(OWNER, wish) is None
    for wish in (*of_two_keys(IN, OUT), *of_two_keys(OUT, IN), *of_two_keys(OUT, OUT)):
        assert needs(OWNER, wish) == "prefix", wish
    assert needs(OWNER, commands.GetMany(())) is None, "it touches nothing"


def test_all_keys_under_a_prefix() -> None:
    for wish in (*under(b"app:"), *under(b"app:x"), *under(b"tmp:")):
        assert needs(OWNER, wish) is None
    for prefix in (b"", b"a", b"app", b"apple:"):
        for wish in under(prefix):
            assert needs(OWNER, wish) == "prefix", wish


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        (b"app:*", True),
        (b"app:1", True),
        (b"app:[ab]?", True),
        (b"*", False),
        (b"app*", False),
        (b"[a]pp:*", False),
        (b"\\app:*", False),
        (b"app?*", False),
        (b"", False),
        (b"\xff*", False),
    ],
)
def test_patterns_go_by_what_they_begin_with(pattern: bytes, fits: bool) -> None:
    assert needs(OWNER, commands.Keys(pattern, 10)) == (None if fits else "prefix")
    assert needs(READER, commands.Keys(pattern, 10)) is None


@given(st.text("ap:*?[]\\", max_size=8), st.text("ap:", max_size=8))
def test_no_pattern_that_may_be_used_shows_other_keys(pattern: str, key: str) -> None:
    grant = Grant("g", Role.READER, (b"a:", b"p"))
    if compile_glob(pattern).fullmatch(key) and needs(grant, commands.Get(key.encode())):
        assert needs(grant, commands.Keys(pattern.encode(), 10)) == "prefix"


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("prefixes", [(), (b"app:",), (b"app:", b"tmp:")])
def test_who_may_read_or_write_every_key(role: Role, prefixes: tuple[bytes, ...]) -> None:
    """Where it is known of whoever asks, no key has to be looked at."""
    grant, keys = Grant("g", role, prefixes), (b"app:1", b"tmp:1", b"1")
    reads = [needs(grant, commands.Get(key)) for key in keys]
    writes = [needs(grant, commands.Set(key=key, kind=Kind.TEXT, value=b"v")) for key in keys]
    assert may_read_all(grant) == (reads == [None] * 3)
    assert may_write_all(grant) == (writes == [None] * 3)


def test_a_refusal_quotes_no_key() -> None:
    for wish in (commands.Get(b"SECRET"), commands.DeletePrefix(b"SECRET"), commands.Keys(b"SECRET*", 1)):
        with pytest.raises(NotPermittedError) as caught:
            check(OWNER, wish)
        assert "SECRET" not in str(caught.value)


# --- routes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method == "GET"], ids=lambda each: each.pattern)
def test_what_is_public_is_so_for_its_wish_and_its_route(route: Route) -> None:

    target = route.pattern.replace("{key}", "a")
    call = resolve(request("GET", target, b"", (b"host", b"a")))
    assert (needs(NOBODY, call.wish) is None) == (route.pattern in PUBLIC_PATTERNS)
