"""Whole requests, with the blocking store and the awaited one: what is stored at the end, and what the cookie says."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import trio

from support import URL, ManualClock, refuse
from synap_sdk import AsyncClient, Client, InvalidArgument, OutcomeUnknown, SessionUnavailable, Unauthorized
from synap_sdk.sessions import AsyncSessionStore, Session, SessionOptions, SessionStore, Verdict, key_of, owner_prefix
from synap_sdk.sessions._core.identity import make_id, tag_of
from synap_sdk.sessions.stores import draw

OPTIONS = SessionOptions(ttl=1000)

NOTHING = Verdict(accessed=True)
FORGET = Verdict(forget=True, accessed=True)


class World:
    """A kind of store, and where it is used. ``requests`` counts what is asked, where a function answers."""

    def __init__(self, name: str, start: Callable[..., Any] | None) -> None:
        self.name = name
        self._start = start

    def store(self, url: str = URL, handler: Any = None, options: SessionOptions = OPTIONS) -> Any:
        given: dict[str, Any] = {} if handler is None else {"transport": httpx.MockTransport(handler)}
        if handler is not None:
            given["clock"] = ManualClock()
        if self._start is None:
            return SessionStore(Client(url, **given), options)
        return AsyncSessionStore(AsyncClient(url, **given), options)

    def request(self, store: Any, cookie: str | None, act: Callable[[Session], object]) -> Verdict:
        """A request with this cookie that does this to its session."""
        verdict: Verdict
        if self._start is None:
            session = store.open(cookie)
            act(session)
            verdict = store.finish(session)
            return verdict

        async def awaited() -> Verdict:
            session = await store.open(cookie)
            act(session)
            found: Verdict = await store.finish(session)
            return found

        verdict = self._start(awaited)
        return verdict

    def call(self, function: Callable[[], Any]) -> Any:
        """What a method of the store gives."""
        if self._start is None:
            return function()

        async def awaited() -> Any:
            return await function()

        return self._start(awaited)


WORLDS = [
    World("blocking", None),
    World("asyncio", lambda function: asyncio.run(function())),
    World("trio", trio.run),
]


@pytest.fixture(params=WORLDS, ids=lambda world: world.name)
def world(request: pytest.FixtureRequest) -> World:
    chosen: World = request.param
    return chosen


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as made:
        yield made


def setting(**values: object) -> Callable[[Session], object]:
    return lambda session: session.update(values)


def looking(session: Session) -> object:
    return session.get("anything")


def idle(_: Session) -> None:
    pass


def begin(world: World, store: Any, **values: object) -> str:
    """A session that is there; its id."""
    verdict = world.request(store, None, setting(**values))
    assert verdict.session_id is not None
    return verdict.session_id


# --- the table of the module -------------------------------------------------------------------------------


@pytest.mark.process
@pytest.mark.parametrize("cookie", [None, "", "made up", "a" * 43])
def test_who_leaves_nothing(world: World, url: str, client: Client, cookie: str | None) -> None:
    """Nothing is stored for an empty session; a cookie that leads nowhere is left alone but by a logout."""
    before = client.kv.count()
    store = world.store(url)
    assert world.request(store, cookie, idle) == Verdict()
    for act in (looking, lambda session: session.rotate(), lambda session: session.clear()):
        assert world.request(store, cookie, act) == NOTHING
    left = world.request(store, cookie, lambda session: session.invalidate())
    assert left == Verdict(forget=cookie is not None, accessed=True)
    assert client.kv.count() == before


@pytest.mark.process
@pytest.mark.parametrize("cookie", [None, "made up", "a" * 43, "0" * 32 + "." + "a" * 43])
def test_an_id_is_the_servers_own(world: World, url: str, client: Client, cookie: str | None) -> None:
    verdict = world.request(world.store(url), cookie, setting(n=1))
    assert verdict.session_id is not None
    assert verdict.session_id != cookie
    assert client.kv.get(key_of(verdict.session_id)) == {"n": 1}
    assert client.kv.ttl(key_of(verdict.session_id)) in range(980, 1001)
    assert not client.kv.exists(f"session:{verdict.session_id}"), "the id itself is nowhere in the store"


@pytest.mark.process
def test_read_and_changed(world: World, url: str, client: Client) -> None:
    """While there is time enough, a read asks once and the cookie stays, also where something changes."""
    store = world.store(url)
    session_id = begin(world, store, n=1)
    seq = client.kv.stats()["seq"]
    assert world.request(store, session_id, looking) == NOTHING
    assert world.request(store, session_id, idle) == Verdict()
    assert client.kv.stats()["seq"] == seq, "a read is no event"
    assert world.request(store, session_id, setting(m=2)) == NOTHING
    assert client.kv.get(key_of(session_id)) == {"n": 1, "m": 2}


@pytest.mark.process
@pytest.mark.parametrize("act", [looking, setting(m=2)])
@pytest.mark.parametrize("left_s", [500, 5000])
def test_extended(world: World, url: str, client: Client, act: Callable[[Session], object], left_s: int) -> None:
    """Or cut, where the application lets sessions live for less than when it began."""
    store = world.store(url)
    session_id = begin(world, store, n=1)
    client.kv.expire(key_of(session_id), left_s)
    assert world.request(store, session_id, idle) == Verdict(), "it was not used"
    assert world.request(store, session_id, act) == Verdict(session_id, accessed=True)
    assert client.kv.ttl(key_of(session_id)) in range(980, 1001)
    assert world.request(store, session_id, act) == NOTHING


@pytest.mark.process
def test_another_id(world: World, url: str, client: Client) -> None:
    def log_in(session: Session) -> None:
        session["user"] = "ada"
        session.rotate(owner="ada")

    store = world.store(url)
    before = begin(world, store, n=1)
    after = world.request(store, before, log_in).session_id
    assert after is not None
    assert client.kv.get(key_of(before)) is None
    assert client.kv.get(key_of(after)) == {"n": 1, "user": "ada"}
    assert key_of(after).startswith(owner_prefix("ada"))
    again = world.request(store, after, lambda session: session.rotate()).session_id
    assert again is not None
    assert key_of(again).startswith(owner_prefix("ada"))
    direct = world.request(store, None, log_in).session_id
    assert direct is not None
    assert world.call(lambda: store.end_all("ada")) == 2
    seen: list[object] = []
    for ended in (direct, again):
        assert world.request(store, ended, lambda session: seen.append(len(session))) == NOTHING
    assert seen == [0, 0]


@pytest.mark.process
@pytest.mark.parametrize(
    "act", [lambda session: session.clear(), lambda session: session.invalidate(), lambda session: session.pop("n")]
)
def test_ended(world: World, url: str, client: Client, act: Callable[[Session], object]) -> None:
    store = world.store(url)
    session_id = begin(world, store, n=1)
    assert world.request(store, session_id, act) == FORGET
    assert client.kv.get(key_of(session_id)) is None


@pytest.mark.process
def test_ended_and_begun_again(world: World, url: str, client: Client) -> None:
    def act(session: Session) -> None:
        session.invalidate()
        session["flash"] = "goodbye"

    store = world.store(url)
    session_id = begin(world, store, user="ada")
    verdict = world.request(store, session_id, act)
    assert verdict.session_id not in {session_id, None}
    assert client.kv.get(key_of(session_id)) is None
    assert client.kv.get(key_of(str(verdict.session_id))) == {"flash": "goodbye"}


@pytest.mark.process
@pytest.mark.parametrize(
    "act",
    [setting(m=2), lambda session: session.rotate(), lambda session: session.change("n", lambda n: n + 1)],
)
def test_ended_by_another(world: World, url: str, client: Client, act: Callable[[Session], object]) -> None:
    """Nothing comes back. The cookie may be another by now, and is left alone."""
    store = world.store(url)
    session_id = begin(world, store, n=1)

    def overtaken(session: Session) -> None:
        act(session)
        client.kv.delete(key_of(session_id))

    count = client.kv.count()
    assert world.request(store, session_id, overtaken) == NOTHING
    assert client.kv.count() == count - 1, "under no id"


@pytest.mark.process
def test_changed_by_another(world: World, url: str, client: Client) -> None:
    store = world.store(url)
    session_id = begin(world, store, n=1)

    def overtaken(session: Session) -> None:
        session.change("n", lambda n: n + 1)
        session["mine"] = 1
        WORLDS[0].request(WORLDS[0].store(url), session_id, setting(n=10, theirs=1))

    assert world.request(store, session_id, overtaken) == NOTHING
    assert client.kv.get(key_of(session_id)) == {"n": 11, "mine": 1, "theirs": 1}


def popping(session: Session) -> object:
    return session.pop("flash")


@pytest.mark.process
def test_emptied_while_another_puts_something_there(world: World, url: str, client: Client) -> None:
    """It is not empty then, and its cookie stays."""
    store = world.store(url)
    session_id = begin(world, store, flash="hello")

    def overtaken(session: Session) -> None:
        popping(session)
        WORLDS[0].request(WORLDS[0].store(url), session_id, setting(cart=["book"]))

    assert world.request(store, session_id, overtaken) == NOTHING
    assert client.kv.get(key_of(session_id)) == {"cart": ["book"]}


@pytest.mark.process
@pytest.mark.parametrize(
    "act",
    [
        lambda session: session.clear(),
        lambda session: session.invalidate(),
        lambda session: (popping(session), session.rotate(owner="ada")),
    ],
    ids=["cleared", "invalidated", "rotated"],
)
def test_ended_whatever_another_puts_there(
    world: World, url: str, client: Client, act: Callable[[Session], object]
) -> None:
    """Applications clear a session to log out, and rotate it because its id may be known."""
    store = world.store(url)
    session_id = begin(world, store, flash="hello")

    def overtaken(session: Session) -> None:
        act(session)
        WORLDS[0].request(WORLDS[0].store(url), session_id, setting(cart=["book"]))

    assert world.request(store, session_id, overtaken) == FORGET
    assert client.kv.get(key_of(session_id)) is None


@pytest.mark.process
def test_put_there_after_another_emptied_it(world: World, url: str, client: Client) -> None:
    """Nobody can tell whether that was a logout, so nothing comes back."""
    store = world.store(url)
    session_id = begin(world, store, flash="hello")

    def overtaken(session: Session) -> None:
        session["cart"] = ["book"]
        assert WORLDS[0].request(WORLDS[0].store(url), session_id, popping) == FORGET

    assert world.request(store, session_id, overtaken) == NOTHING
    assert client.kv.get(key_of(session_id)) is None


@pytest.mark.process
def test_another_prefix(world: World, url: str, client: Client) -> None:
    store = world.store(url, options=SessionOptions(prefix="web:"))
    session_id = begin(world, store, n=1)
    assert client.kv.get(key_of(session_id, "web:")) == {"n": 1}
    assert world.request(world.store(url), session_id, looking) == NOTHING


@pytest.mark.process
def test_what_json_cannot_say_is_not_stored(world: World, url: str, client: Client) -> None:
    store = world.store(url)
    session_id = begin(world, store, n=[])
    with pytest.raises(InvalidArgument):
        world.request(store, session_id, lambda session: session["n"].append({1}))
    assert client.kv.get(key_of(session_id)) == {"n": []}


# --- while the store is away -------------------------------------------------------------------------------

AWAY: list[Any] = [
    httpx.ConnectError("refused"),
    httpx.ReadError("reset"),
    httpx.ReadTimeout("silent"),
    refuse(503, "not_ready"),
    refuse(507, "disk_full", outcome="not_written"),
    refuse(500, "internal_error"),
    refuse(429, "rate_limited"),
]

KNOWN = make_id(draw(), tag_of("ada"))


def answering(response: Any) -> Callable[[httpx.Request], httpx.Response]:
    """A store that always says this."""

    def handle(_: httpx.Request) -> httpx.Response:
        if isinstance(response, Exception):
            raise response
        return httpx.Response(response.status_code, headers=response.headers, content=response.content)

    return handle


@pytest.mark.parametrize("response", AWAY)
def test_away(world: World, response: Any) -> None:
    """Whoever uses the session learns it, and whoever does not gets an answer."""
    store = world.store(handler=answering(response))
    assert world.request(store, None, looking) == NOTHING
    for cookie, act in ((KNOWN, looking), (KNOWN, setting(n=1)), (None, setting(n=1))):
        with pytest.raises(SessionUnavailable) as caught:
            world.request(store, cookie, act)
        assert caught.value.__cause__ is not None
        assert KNOWN not in str(caught.value)
    assert world.request(store, KNOWN, idle) == Verdict()
    with pytest.raises(SessionUnavailable):
        world.call(lambda: store.end_all("ada"))


@pytest.mark.parametrize("response", AWAY)
def test_away_and_anonymous(world: World, response: Any) -> None:
    """Everybody is nobody, and keeps the cookie; nobody is logged in or out."""
    store = world.store(handler=answering(response), options=SessionOptions(when_away="anonymous"))
    seen: list[Session] = []
    assert world.request(store, KNOWN, lambda session: seen.append(dict(session))) == NOTHING  # type: ignore[arg-type]
    assert seen == [{}]
    for act in (setting(n=1), lambda session: session.invalidate(), lambda session: session.rotate()):
        with pytest.raises(SessionUnavailable):
            world.request(store, KNOWN, act)
    with pytest.raises(SessionUnavailable):
        world.request(store, None, setting(n=1))


def test_a_write_that_may_have_happened(world: World) -> None:
    with pytest.raises(SessionUnavailable) as caught:
        world.request(world.store(handler=answering(httpx.ReadError("reset"))), None, setting(n=1))
    assert isinstance(caught.value.__cause__, OutcomeUnknown)


@pytest.mark.parametrize("when_away", ["fail", "anonymous"])
def test_wrong_credentials_are_no_absence(world: World, when_away: Any) -> None:
    """That somebody made a mistake is not hidden behind an empty session."""
    store = world.store(handler=answering(refuse(401, "unauthorized")), options=SessionOptions(when_away=when_away))
    with pytest.raises(Unauthorized):
        world.request(store, KNOWN, looking)


def test_a_mistake_leaves_no_empty_session_behind() -> None:
    """What catches the error, and goes on, meets it again."""
    store = WORLDS[0].store(handler=answering(refuse(401, "unauthorized")))
    session = store.open(KNOWN)
    for _ in range(2):
        with pytest.raises(Unauthorized):
            session["n"] = 1
    assert store.finish(session) == NOTHING


def test_an_extension_that_fails_harms_nobody(world: World) -> None:
    """The answer to a read is right without it."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "HEAD":
            raise httpx.ConnectError("refused")
        headers = {"content-type": "application/json", "etag": '"3"', "synap-ttl": "10"}
        return httpx.Response(200, headers=headers, content=b'{"n":1}')

    assert world.request(world.store(handler=handle), KNOWN, looking) == NOTHING
