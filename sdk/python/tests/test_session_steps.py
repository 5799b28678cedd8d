"""The steps of sessions in a real store: in every order that two requests can take them, and cut short anywhere."""

import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from synap_sdk import Client, SessionUnavailable, SynapError, Unauthorized
from synap_sdk._core.operations import delete_prefix
from synap_sdk.sessions import key_of, owner_prefix
from synap_sdk.sessions._core import steps as module
from synap_sdk.sessions._core.identity import make_id, tag_of
from synap_sdk.sessions._core.session import Stored
from synap_sdk.sessions._core.steps import Draft, Steps, ask, create, end, extend, look, rotate, update
from synap_sdk.sessions.stores import draw, take

pytestmark = pytest.mark.process

PREFIX = "session:"
TTL_S = 1000.0


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as made:
        yield made


class Request:
    """One request that takes its steps one by one."""

    def __init__(self, steps: Steps[Any]) -> None:
        self.result: object = None
        self.is_over = False
        self._steps = steps
        self._call = next(steps)

    def step(self, client: Client) -> None:
        """Send what waits to be sent, and take what comes of it."""
        try:
            try:
                given = client.run(self._call)
            except SynapError as error:
                self._call = self._steps.throw(error)
            else:
                self._call = self._steps.send(given)
        except StopIteration as end:
            self.result, self.is_over = end.value, True


def in_order(client: Client, requests: Sequence[Request], order: Sequence[int]) -> None:
    """Let the requests take their steps as the order says, and then to their ends."""
    for index in itertools.chain(order, itertools.cycle(range(len(requests)))):
        if all(request.is_over for request in requests):
            return
        if not requests[index].is_over:
            requests[index].step(client)


ORDERS = list(itertools.product((0, 1), repeat=6))
"""Who takes the next step. By then one of two requests is at its end, and the other has the store for itself."""


def begun(client: Client, data: dict[str, Any], owner: str | None = None) -> Stored:
    """A session that is in the store."""
    session_id = make_id(draw(), None if owner is None else tag_of(owner))
    stored = take(client, create(session_id, data, PREFIX, TTL_S))
    assert stored is not None
    return stored


def found(client: Client, session_id: str) -> object:
    """What is stored for an id."""
    return client.kv.get(key_of(session_id))


def counting(base: Stored) -> Draft:
    return Draft(base, {**base.data, "n": base.data["n"] + 1}, {"n": [lambda n: n + 1]})  # type: ignore[operator]


# --- each by itself ----------------------------------------------------------------------------------------


def test_a_life(client: Client) -> None:
    first = begun(client, {"n": 1})
    looked = take(client, look(first.id, PREFIX))
    assert looked is not None
    assert looked.left_s in range(980, 1001)
    assert looked == replace(first, left_s=looked.left_s)
    second = take(client, update(counting(first), PREFIX, None))
    assert second is not None
    assert found(client, first.id) == {"n": 2}
    third = take(client, rotate(counting(second), make_id(draw(), None), PREFIX, TTL_S))
    assert third is not None
    assert (found(client, first.id), found(client, third.id)) == (None, {"n": 3})
    assert take(client, end(third.id, PREFIX)) is True
    assert take(client, look(third.id, PREFIX)) is None
    assert take(client, end(third.id, PREFIX)) is False


def test_times_to_live(client: Client) -> None:
    stored = begun(client, {"n": 1})
    key = key_of(stored.id)
    client.kv.expire(key, 50)
    kept = take(client, update(counting(stored), PREFIX, None))
    assert kept is not None
    assert client.kv.ttl(key) in range(30, 51), "an update leaves it"
    longer = take(client, extend(kept, PREFIX, 200))
    assert longer is not None
    assert client.kv.ttl(key) in range(180, 201)
    assert take(client, update(counting(longer), PREFIX, 300)) is not None
    assert client.kv.ttl(key) in range(280, 301)
    assert take(client, rotate(counting(longer), new := make_id(draw(), None), PREFIX, 400)) is not None
    assert client.kv.ttl(key_of(new)) in range(380, 401)


def test_an_extension_changes_no_version(client: Client) -> None:
    """Or every reader would overtake every writer."""
    stored = begun(client, {"n": 1})
    take(client, extend(stored, PREFIX, 5000))
    looked = take(client, look(stored.id, PREFIX))
    assert looked is not None
    assert looked.version == stored.version


def test_an_id_that_is_there_is_not_taken(client: Client) -> None:
    stored = begun(client, {"n": 1})
    assert take(client, create(stored.id, {"n": 2}, PREFIX, TTL_S)) is None
    assert found(client, stored.id) == {"n": 1}


@pytest.mark.parametrize(
    "act",
    [
        lambda stored: update(counting(stored), PREFIX, None),
        lambda stored: update(counting(stored), PREFIX, TTL_S),
        lambda stored: rotate(counting(stored), make_id(draw(), tag_of("gone")), PREFIX, TTL_S),
        lambda stored: extend(stored, PREFIX, TTL_S),
    ],
)
def test_what_was_ended_stays_so(client: Client, act: Callable[[Stored], Steps[object]]) -> None:
    stored = begun(client, {"n": 1})
    client.kv.delete(key_of(stored.id))
    assert take(client, act(stored)) is None
    assert found(client, stored.id) is None
    assert client.kv.count(owner_prefix("gone")) == 0


@pytest.mark.parametrize("ends_empty", [True, False])
def test_an_empty_session(client: Client, ends_empty: bool) -> None:
    stored = begun(client, {"n": 1})
    take(client, update(Draft(stored, {}, {}), PREFIX, None, ends_empty=ends_empty))
    assert found(client, stored.id) == (None if ends_empty else {})


def test_what_lies_there_and_is_no_session(client: Client) -> None:
    session_id = draw()
    client.kv.set(key_of(session_id), "text")
    with pytest.raises(SynapError, match="none of Synap's"):
        take(client, look(session_id, PREFIX))


def test_another_server_is_not_an_empty_store(client: Client) -> None:
    """A 404 that does not speak of a key says that the address is wrong, not that nobody is logged in."""
    with Client(f"{client._settings.target.url}/elsewhere") as lost, pytest.raises(SynapError):
        take(lost, look(draw(), PREFIX))


# --- two at once -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
def test_no_update_is_lost(client: Client, order: tuple[int, ...]) -> None:
    base = begun(client, {"n": 0, "old": 1})
    mine = Draft(base, {"n": 1, "mine": 1}, {"n": [lambda n: n + 1]})
    theirs = Draft(base, {"n": 10, "old": 1, "theirs": 1}, {"n": [lambda n: n + 10]})
    requests = [Request(update(mine, PREFIX, None)), Request(update(theirs, PREFIX, None))]
    in_order(client, requests, order)
    assert found(client, base.id) == {"n": 11, "mine": 1, "theirs": 1}


@pytest.mark.parametrize("order", ORDERS)
def test_an_update_brings_nothing_back(client: Client, order: tuple[int, ...]) -> None:
    base = begun(client, {"n": 0})
    in_order(client, [Request(update(counting(base), PREFIX, TTL_S)), Request(end(base.id, PREFIX))], order)
    assert found(client, base.id) is None


@pytest.mark.parametrize("order", ORDERS)
def test_emptying_and_an_update(client: Client, order: tuple[int, ...]) -> None:
    """Where the update was first, it stays; where it comes too late, it finds no session and says so."""
    base = begun(client, {"flash": 1})
    emptying = Request(update(Draft(base, {}, {}), PREFIX, None))
    updating = Request(update(Draft(base, {"flash": 1, "cart": 1}, {}), PREFIX, None))
    in_order(client, [emptying, updating], order)
    is_in = updating.result is not None
    assert found(client, base.id) == ({"cart": 1} if is_in else None)
    assert (emptying.result is not None) == is_in


@pytest.mark.parametrize("order", ORDERS)
def test_a_rotation_and_an_update(client: Client, order: tuple[int, ...]) -> None:
    """The update is in the session that goes on, or finds none any more; the old id is nothing in any case."""
    base = begun(client, {"n": 0})
    rotated = Draft(base, {"n": 0, "user": "ada"}, {})
    updating, rotating = Request(update(counting(base), PREFIX, None)), Request(rotate(rotated, draw(), PREFIX, TTL_S))
    in_order(client, [updating, rotating], order)
    assert isinstance(rotating.result, Stored)
    is_in = updating.result is not None
    assert found(client, rotating.result.id) == {"n": int(is_in), "user": "ada"}
    assert rotating.result.data == {"n": int(is_in), "user": "ada"}
    assert found(client, base.id) is None


@pytest.mark.parametrize("order", ORDERS)
def test_a_rotation_and_a_logout(client: Client, order: tuple[int, ...]) -> None:
    base = begun(client, {"n": 0})
    new_id = draw()
    rotating = Request(rotate(Draft(base, {"user": "ada"}, {}), new_id, PREFIX, TTL_S))
    ending = Request(end(base.id, PREFIX))
    in_order(client, [rotating, ending], order)
    assert found(client, base.id) is None
    # One of them ended the old id; where it was the logout, there is no session.
    assert (found(client, new_id) is None) == bool(ending.result) == (rotating.result is None)


@pytest.mark.parametrize("order", ORDERS)
def test_two_rotations(client: Client, order: tuple[int, ...]) -> None:
    """One of them goes on."""
    base = begun(client, {"n": 0})
    ids = draw(), draw()
    in_order(client, [Request(rotate(Draft(base, {"n": 1}, {}), each, PREFIX, TTL_S)) for each in ids], order)
    assert found(client, base.id) is None
    assert [found(client, each) for each in ids].count(None) == 1


@pytest.mark.parametrize("order", ORDERS)
def test_a_rotation_and_the_end_of_all(client: Client, order: tuple[int, ...]) -> None:
    """Nothing of this owner is left, however they meet: the new id belongs to the owner from the beginning."""
    owner = secrets.token_hex(8)
    base = begun(client, {"n": 0}, owner)
    rotating = Request(rotate(counting(base), make_id(draw(), tag_of(owner)), PREFIX, TTL_S))
    in_order(client, [rotating, Request(ending_all(owner))], order)
    assert client.kv.count(owner_prefix(owner)) == 0


def ending_all(owner: str) -> Steps[int]:
    return ask(delete_prefix(owner_prefix(owner)))


@pytest.mark.parametrize("taken", range(4))
def test_a_login_that_is_cut_short(client: Client, taken: int) -> None:
    """Whoever knows the id of before is never logged in, wherever the application died."""
    base = begun(client, {"n": 0})
    new_id = draw()
    request = Request(rotate(Draft(base, {"n": 0, "user": "ada"}, {}), new_id, PREFIX, TTL_S))
    for _ in range(taken):
        if not request.is_over:
            request.step(client)
    assert found(client, base.id) in ({"n": 0}, None)
    assert (found(client, base.id) is None) == request.is_over, "and nothing that was in it is lost"


@pytest.mark.parametrize("is_rotated", [False, True])
def test_who_is_overtaken_all_the_time_gives_up(
    client: Client, monkeypatch: pytest.MonkeyPatch, is_rotated: bool
) -> None:
    monkeypatch.setattr(module, "TRIES_MAX", 3)
    base, new = begun(client, {"n": 0}), draw()
    request = Request(rotate(counting(base), new, PREFIX, 9) if is_rotated else update(counting(base), PREFIX, None))
    with pytest.raises(SessionUnavailable, match="all the time"):
        overtake(client, base, request)
    assert found(client, new) is None
    assert isinstance(found(client, base.id), dict)


def overtake(client: Client, base: Stored, request: Request) -> None:
    for number in range(50):
        client.kv.set(key_of(base.id), {"n": number}, ttl=60)
        request.step(client)


def test_other_errors_are_the_callers(client: Client) -> None:
    steps = look(draw(), PREFIX)
    next(steps)
    with pytest.raises(Unauthorized):
        steps.throw(Unauthorized("who are you?"))
