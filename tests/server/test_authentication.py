"""Who a request comes from: what is right, what is wrong, what is remembered, and what is not even looked at."""

import base64
import math
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import bcrypt
import pytest
import structlog
import trio
from prometheus_client.parser import text_string_to_metric_families
from trio.testing import wait_all_tasks_blocked

from synap.accounts import ApiKeySettings, AuthenticationSettings, UserSettings, digest_of
from synap.clock import ManualClock
from synap.errors import NotAuthenticatedError, NotPermittedError, OverloadedError, TooManyFailuresError
from synap.protocol.http import Headers
from synap.protocol.http.permission import Grant
from synap.protocol.http.service import Role
from synap.server import authentication as module
from synap.server.authentication import Authentication
from synap.server.backoff import FREE_FAILURES
from synap.server.metrics import exposition
from synap.telemetry import Metrics

HERE, THERE = "192.0.2.1", "192.0.2.2"
CREATED = date(2026, 11, 24)


def hashed(password: bytes, cost: int = 4) -> str:
    return bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode()


ALICE = UserSettings("alice", hashed(b"alice-secret"), "admin")
BOB = UserSettings("bob", hashed(b"bob-secret"), "reader")
APP = ApiKeySettings("app", "writer", key="app-key", prefixes=("app:",))
HASHED = ApiKeySettings("hashed", "reader", key_hash=digest_of(b"hashed-key").hex())
SHORT = ApiKeySettings("short", "reader", key="short-key", created=CREATED, expires_days=2)
INSIDE = ApiKeySettings("inside", "reader", key="inside-key", allowed_ips=("10.0.0.0/8", "192.0.2.1", "fd00::/8"))
LONG = "k" * 32
LONGER = ApiKeySettings("longer", "reader", key=LONG)
WRAPPED = ApiKeySettings("wrapped", "reader", key="wrapped-key", allowed_ips=("::ffff:192.0.2.0/120",))
SETTINGS = AuthenticationSettings(
    enabled=True, users=(ALICE, BOB), api_keys=(APP, HASHED, SHORT, INSIDE, LONGER, WRAPPED)
)


def bearer(key: str) -> Headers:
    return ((b"authorization", b"Bearer " + key.encode()),)


def basic(username: str, password: str) -> Headers:
    return ((b"authorization", b"Basic " + base64.b64encode(f"{username}:{password}".encode())),)


class Desk:
    """An authentication at a time that a test sets; ``checked`` are the passwords that bcrypt was asked about."""

    def __init__(
        self, check: Callable[[bytes, bytes], bool] = bcrypt.checkpw, settings: AuthenticationSettings = SETTINGS
    ) -> None:
        self.clock = ManualClock(int(datetime(2026, 11, 24, tzinfo=UTC).timestamp() * 1000))
        self.metrics = Metrics()
        self.checked: list[bytes] = []
        self._check = check
        self.authentication = Authentication(settings, self.clock, self.metrics, self._noted)

    def _noted(self, password: bytes, password_hash: bytes) -> bool:
        self.checked.append(password)
        return self._check(password, password_hash)

    def known(self, headers: Headers, address: str = HERE) -> Grant | None:
        return self.authentication.known(headers, address)

    async def identify(self, headers: Headers, address: str = HERE) -> Grant:
        return self.authentication.known(headers, address) or await self.authentication.identify(headers, address)

    async def reason(self, headers: Headers, address: str = HERE) -> str:
        with pytest.raises(NotAuthenticatedError) as caught:
            await self.identify(headers, address)
        return caught.value.reason

    def counted(self) -> dict[str, float]:
        text = exposition(self.metrics, None, 0)[0].decode()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        samples = families["synap_http_authentication_failures"].samples
        return {sample.labels["reason"]: sample.value for sample in samples}


@pytest.fixture
def desk() -> Desk:
    return Desk()


# --- API keys --------------------------------------------------------------------------------------------


async def test_keys(desk: Desk) -> None:
    assert desk.known(bearer("app-key")) == Grant("app", Role.WRITER, (b"app:",))
    assert desk.known(((b"x-api-key", b"hashed-key"),)) == Grant("hashed", Role.READER)


@pytest.mark.parametrize("key", ["app-key2", "app-ke", "APP-KEY", digest_of(b"hashed-key").hex(), "app"])
async def test_keys_that_nobody_has(desk: Desk, key: str) -> None:
    with pytest.raises(NotAuthenticatedError, match="these credentials are not right"):
        desk.known(bearer(key))
    assert desk.counted() == {"wrong": 1}


async def test_no_credentials(desk: Desk) -> None:
    for _ in range(FREE_FAILURES * 2):
        assert await desk.reason(()) == "missing", "no guess, and not taken for one"
    assert desk.counted() == {"missing": FREE_FAILURES * 2}


async def test_a_key_expires_with_its_last_day(desk: Desk) -> None:
    day_ms = int(timedelta(days=1) / timedelta(milliseconds=1))
    grant = desk.known(bearer("short-key"))
    assert grant is not None
    assert desk.authentication.left_s(grant) == 2 * 86_400
    assert desk.authentication.expired() == []
    desk.clock.advance(2 * day_ms - 1)
    assert desk.authentication.left_s(grant) == 0.001
    assert desk.known(bearer("short-key")) is not None
    desk.clock.advance(1)
    with pytest.raises(NotAuthenticatedError, match="this API key has expired"):
        desk.known(bearer("short-key"))
    assert desk.authentication.expired() == ["short"]
    assert desk.authentication.left_s(grant) == 0
    assert desk.counted() == {"expired": 1}


@pytest.mark.parametrize("address", [HERE, "10.1.2.3", "::ffff:10.1.2.3", "fd00::1"])
async def test_a_key_from_an_address_it_is_for(desk: Desk, address: str) -> None:
    assert desk.known(bearer("inside-key"), address) is not None


async def test_what_never_expires(desk: Desk) -> None:
    for grant in (desk.known(bearer("app-key")), await desk.identify(basic("alice", "alice-secret"))):
        assert grant is not None
        assert desk.authentication.left_s(grant) == math.inf


@pytest.mark.parametrize("address", [HERE, f"::ffff:{HERE}"])
async def test_a_network_of_ipv4_that_is_wrapped(desk: Desk, address: str) -> None:
    assert desk.known(bearer("wrapped-key"), address) is not None
    with pytest.raises(NotPermittedError):
        desk.known(bearer("wrapped-key"), "10.1.2.3")


@pytest.mark.parametrize("address", [THERE, "11.0.0.1", "::1", "", "unix:"])
async def test_a_key_from_another_address(desk: Desk, address: str) -> None:
    with pytest.raises(NotPermittedError) as caught:
        desk.known(bearer("inside-key"), address)
    assert caught.value.needs == "address"
    assert desk.counted() == {"address": 1}


# --- passwords -------------------------------------------------------------------------------------------


async def test_a_password_is_checked_once(desk: Desk) -> None:
    assert desk.known(basic("alice", "alice-secret")) is None, "only bcrypt can tell"
    for _ in range(3):
        assert await desk.identify(basic("alice", "alice-secret")) == Grant("alice", Role.ADMIN)
    assert desk.known(basic("alice", "alice-secret")) == Grant("alice", Role.ADMIN)
    assert desk.checked == [b"alice-secret"]


async def test_from_each_address(desk: Desk) -> None:
    for address in (HERE, THERE, HERE, THERE):
        await desk.identify(basic("bob", "bob-secret"), address)
    assert len(desk.checked) == 2


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("alice", "bob-secret"),
        ("alice", ""),
        ("alice", "alice-secre"),
        ("Alice", "alice-secret"),
        ("nobody", "x"),
        ("", ""),
    ],
)
async def test_wrong_logins(desk: Desk, username: str, password: str) -> None:
    with pytest.raises(NotAuthenticatedError, match="these credentials are not right"):
        await desk.identify(basic(username, password))
    assert desk.checked == [password.encode()], "an unknown name takes as long as a wrong password"
    assert desk.known(basic(username, password)) is None, "what was wrong is not remembered"
    assert desk.counted() == {"wrong": 1}


async def costs_of_nobody(settings: AuthenticationSettings) -> list[int]:
    """What is computed for each of some names that nobody has."""
    costs: list[int] = []

    def check(password: bytes, password_hash: bytes) -> bool:
        costs.append(int(password_hash[4:6]))
        return bcrypt.checkpw(password, password_hash)

    desk = Desk(check, settings)
    for number in range(40):
        await desk.reason(basic(f"nobody-{number}", "x"), f"10.0.0.{number}")
    return costs


async def test_a_name_that_nobody_has_costs_what_some_user_does() -> None:
    """And always the same, as a user does: also after a restart."""
    settings = AuthenticationSettings(users=(BOB, UserSettings("carol", hashed(b"c", 5), "reader")))
    costs = await costs_of_nobody(settings)
    assert set(costs) == {4, 5}
    assert await costs_of_nobody(settings) == costs
    other = AuthenticationSettings(users=(BOB, UserSettings("carol", hashed(b"c", 5), "reader")))
    assert await costs_of_nobody(other) != costs, "nobody else can tell which"


@pytest.mark.parametrize(("users", "cost"), [((), 4), ((UserSettings("carol", hashed(b"c", 5), "reader"),), 5)])
async def test_where_there_is_nothing_to_tell_apart(users: tuple[UserSettings, ...], cost: int) -> None:
    assert set(await costs_of_nobody(AuthenticationSettings(users=users))) == {cost}


async def test_only_so_many_are_remembered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KNOWN_MAX", 2)
    for address in ("10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.3"):
        await desk.identify(basic("bob", "bob-secret"), address)
    known = [desk.known(basic("bob", "bob-secret"), f"10.0.0.{last}") is not None for last in (1, 2, 3)]
    assert known == [True, False, True], "the one that was not used for longest is forgotten"


# --- many at once ----------------------------------------------------------------------------------------


class Gate:
    """A check of passwords that waits until it is let go."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.inside = 0

    def check(self, password: bytes, password_hash: bytes) -> bool:
        self.inside += 1
        assert self.open.wait(10)
        return bcrypt.checkpw(password, password_hash)


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def test_the_same_login_is_checked_once_for_all_who_wait(gate: Gate) -> None:
    desk = Desk(gate.check)
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(desk.identify, basic("alice", "alice-secret"))
        await wait_all_tasks_blocked()
        gate.open.set()
    assert desk.checked == [b"alice-secret"]
    assert desk.counted() == {}


async def test_guesses_at_once_are_not_one_guess(gate: Gate) -> None:
    desk = Desk(gate.check)
    outcomes: list[str] = []

    async def guess(number: int) -> None:
        try:
            await desk.identify(basic("alice", f"guess-{number}"))
        except (NotAuthenticatedError, TooManyFailuresError) as error:
            outcomes.append(type(error).__name__)

    async with trio.open_nursery() as nursery:
        for number in range(module.WAITING_MAX):
            nursery.start_soon(guess, number)
        await wait_all_tasks_blocked()
        gate.open.set()
    wrong = outcomes.count("NotAuthenticatedError")
    assert wrong in {FREE_FAILURES, FREE_FAILURES + 1}, "the next closes the address, and may be looked at for that"
    assert len(desk.checked) == wrong
    assert desk.counted() == {"wrong": wrong, "too_many": module.WAITING_MAX - wrong}


async def test_many_who_are_right_at_once_wait_for_their_turn(gate: Gate) -> None:
    """After a restart, everybody behind one proxy logs in anew."""
    password_hash = hashed(b"secret")
    names = [f"user-{number}" for number in range(2 * FREE_FAILURES)]
    users = tuple([UserSettings(name, password_hash, "reader") for name in names])
    desk = Desk(gate.check, AuthenticationSettings(users=users))
    came: list[str] = []

    async def log_in(name: str) -> None:
        came.append((await desk.identify(basic(name, "secret"))).name)

    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(log_in, name)
        await wait_all_tasks_blocked()
        gate.open.set()
    assert sorted(came) == sorted(names)
    assert desk.counted() == {}


async def test_whoever_failed_a_week_ago_may_come_twice_at_once(gate: Gate) -> None:
    desk = Desk(gate.check)
    for number in range(FREE_FAILURES):
        await desk.reason(bearer(f"guess-{number}"))
    desk.clock.advance(7 * 86_400_000)
    async with trio.open_nursery() as nursery:
        for login in (basic("alice", "alice-secret"), basic("bob", "bob-secret")):
            nursery.start_soon(desk.identify, login)
        await wait_all_tasks_blocked()
        gate.open.set()
    assert len(desk.checked) == 2


async def test_the_same_wrong_login_at_once_is_many_guesses(gate: Gate) -> None:
    desk = Desk(gate.check)
    gate.open.set()
    refused: list[str] = []

    async def guess() -> None:
        with pytest.raises((NotAuthenticatedError, TooManyFailuresError)) as caught:
            await desk.identify(basic("alice", "wrong"))
        refused.append(type(caught.value).__name__)

    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(guess)
    assert len(refused) == 30
    assert len(desk.checked) == FREE_FAILURES + 1


async def test_few_are_checked_at_once_and_few_wait(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 5)
    desk = Desk(gate.check)

    async def log_in(last: int) -> None:
        await desk.identify(basic("bob", "bob-secret"), f"10.0.0.{last}")

    async with trio.open_nursery() as nursery:
        for last in range(5):
            nursery.start_soon(log_in, last)
        await wait_all_tasks_blocked()
        with trio.fail_after(10):
            while gate.inside < module.CHECKS_MAX:  # noqa: ASYNC110  # a thread cannot tell the loop
                await trio.sleep(0.001)
        assert gate.inside == module.CHECKS_MAX
        with pytest.raises(OverloadedError, match="nothing was written"):
            await desk.identify(basic("bob", "bob-secret"), "10.0.0.9")
        gate.open.set()
    assert desk.counted() == {"overloaded": 1}
    await desk.identify(basic("bob", "bob-secret"), "10.0.0.9")


async def test_whoever_waits_for_one_that_was_given_up_goes_on(gate: Gate) -> None:
    desk = Desk(gate.check)
    async with trio.open_nursery() as nursery:
        given_up = trio.CancelScope()

        async def first() -> None:
            with given_up:
                await desk.identify(basic("alice", "alice-secret"))

        nursery.start_soon(first)
        await wait_all_tasks_blocked()
        nursery.start_soon(desk.identify, basic("alice", "alice-secret"))
        await wait_all_tasks_blocked()
        given_up.cancel()
        gate.open.set()
    assert desk.known(basic("alice", "alice-secret")) is not None


# --- too many failures -----------------------------------------------------------------------------------


async def close(desk: Desk, address: str = HERE) -> None:
    for number in range(FREE_FAILURES + 1):
        await desk.reason(bearer(f"guess-{number}"), address)


async def test_where_too_many_were_wrong_nothing_is_looked_at(desk: Desk) -> None:
    with structlog.testing.capture_logs() as lines:
        await close(desk)
    for headers in (bearer("app-key"), bearer("guess"), basic("alice", "alice-secret"), ((b"x-api-key", b"a b"),)):
        with pytest.raises(TooManyFailuresError) as caught:
            await desk.identify(headers)
        assert caught.value.retry_after_s == 2
    assert desk.checked == []
    assert desk.known(bearer("app-key"), THERE) is not None, "somebody else is not concerned"
    assert [(line["log_level"], line["client"]) for line in lines] == [("warning", HERE)]
    assert "guess" not in str(lines)
    desk.clock.advance(1000)
    assert desk.known(bearer("app-key")) is not None


async def test_a_long_key_opens_all_the_same(desk: Desk) -> None:
    """A neighbour with a stale key must not lock others out, and nobody guesses such a key."""
    await close(desk)
    for key in ("hashed-key", LONG):
        assert desk.known(bearer(key)) is not None
    with pytest.raises(TooManyFailuresError):
        desk.known(bearer(LONG + "x"))
    assert desk.authentication.short() == ["app", "short", "inside", "wrapped"]


async def test_whoever_was_known_there_before_goes_on(desk: Desk) -> None:
    desk.known(bearer("app-key"))
    await desk.identify(basic("alice", "alice-secret"))
    await close(desk)
    assert desk.known(bearer("app-key")) is not None
    assert desk.known(basic("alice", "alice-secret")) is not None
    with pytest.raises(TooManyFailuresError):
        desk.known(bearer("inside-key"))


async def test_whoever_has_an_account_cannot_guess_in_between(desk: Desk) -> None:
    for number in range(FREE_FAILURES + 1):
        await desk.reason(basic("alice", f"guess-{number}"), "2001:db8::1")
        if number < FREE_FAILURES:
            await desk.identify(basic("bob", "bob-secret"), f"2001:db8::{number + 2:x}")
    with pytest.raises(TooManyFailuresError):
        await desk.identify(basic("alice", "guess"), "2001:db8::99")


async def test_no_credentials_are_answered_as_ever_meanwhile(desk: Desk) -> None:
    await close(desk)
    assert await desk.reason(()) == "missing"


# --- secrets ---------------------------------------------------------------------------------------------


async def test_nothing_that_is_kept_is_a_secret(desk: Desk) -> None:
    await desk.identify(basic("alice", "alice-secret"))
    desk.known(bearer("app-key"))
    kept = repr({name: repr(value) for name, value in vars(desk.authentication).items()})
    for secret in ("alice-secret", "app-key", "bob-secret", base64.b64encode(b"alice:alice-secret").decode()):
        assert secret not in kept
