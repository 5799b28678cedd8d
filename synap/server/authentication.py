"""Whether a request comes from whom it says: the accounts, and what is remembered of those that proved to be right.

* A password is compared with its bcrypt in a thread, which takes a quarter of a second by design; few at a time, and
  few waiting. What was right once, from an address, is remembered, so that each request after the first costs
  microseconds. Accounts are as they were at start, so nothing that is remembered becomes wrong.
* An API key is random and long, so that a fast digest of it (SHA-256) is as good as the key itself. Keys are looked up
  by their digest: how long that takes says nothing about any key.
* A name that nobody has takes as long as a wrong password: where the users' hashes differ in cost, each such name has
  always the same of their costs. Every wrong credential gets the same answer.
* Where too many were wrong (``backoff``), no password is looked at that is not remembered, and no key that is short
  enough to be guessed. A long one opens all the same: a neighbour with a stale key must not lock others out.

Neither a password nor a key is kept here, and none stands in an error or a line of the log (the lane keeps header
fields as they came in memory, for a minute; see ``lane.door``). The address is that of the socket's other end; what a
proxy says of the one behind it (X-Forwarded-For) is not looked at: anybody can say that.
"""

import hashlib
import math
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import bcrypt
import msgspec
import structlog
import trio

from synap.accounts import ApiKeySettings, AuthenticationSettings, Networks, UserSettings, digest_of
from synap.clock import Clock
from synap.errors import NotAuthenticatedError, NotPermittedError, OverloadedError, SynapError, TooManyFailuresError
from synap.protocol.http import Headers
from synap.protocol.http.credentials import ApiKey, Credentials, Login, read_credentials
from synap.protocol.http.permission import Grant
from synap.protocol.http.service import Role
from synap.server.backoff import Backoff, plain
from synap.telemetry import Metrics

CHECKS_MAX = 2
"""Passwords that are checked at the same time; each keeps a core busy."""

WAITING_MAX = 64
"""Passwords that are being checked or wait for it, whoever sent them: at a quarter of a second each, eight seconds."""

KNOWN_MAX = 16_384
"""Credentials that are remembered, each from each address; about 4 MB."""

_WRONG = "these credentials are not right"
_DIGEST_BYTES = 16
_HASH_END = b"." * 31
_COST_OF_NONE = 4
"""The lowest there is: where there are no users, no time tells anything of them."""

_logger = structlog.get_logger("synap.server")


class _Key(msgspec.Struct, frozen=True):
    """An API key, without the key: what it grants, and from where (none: anywhere)."""

    grant: Grant
    is_long: bool
    networks: Networks


class _User(msgspec.Struct, frozen=True):
    grant: Grant
    password_hash: bytes


class _Nobody:
    """Hashes that no password has, for names that nobody has: as expensive as those of the users are.

    A name keeps its cost as long as the accounts stay as they are, over restarts as well, as a user's does.
    """

    def __init__(self, users: Sequence[UserSettings]) -> None:
        made = {cost: bcrypt.gensalt(cost) + _HASH_END for cost in {user.cost for user in users} or {_COST_OF_NONE}}
        self._hashes = [made[user.cost] for user in users] or list(made.values())
        self._secret = hashlib.blake2b("".join(user.password_hash for user in users).encode()).digest()

    def hash_for(self, username: str) -> bytes:
        """The hash that takes this name's place."""
        drawn = hashlib.blake2b(username.encode(), key=self._secret, digest_size=_DIGEST_BYTES).digest()
        return self._hashes[int.from_bytes(drawn) % len(self._hashes)]


class Authentication:
    """The accounts. ``clock`` says when a key has expired; ``check_password`` is bcrypt's."""

    def __init__(
        self,
        settings: AuthenticationSettings,
        clock: Clock,
        metrics: Metrics,
        check_password: Callable[[bytes, bytes], bool] = bcrypt.checkpw,
    ) -> None:
        self._users = {user.username: _user(user) for user in settings.users}
        self._keys = {key.digest: _key(key) for key in settings.api_keys}
        self._nobody = _Nobody(settings.users)
        self._clock = clock
        self._failures = metrics.authentication_failures
        self._check_password = check_password
        self._backoff = Backoff(lambda: clock.monotonic_ms() / 1000, _say_closed)
        self._known: OrderedDict[bytes, Grant] = OrderedDict()
        self._secret = secrets.token_bytes(32)
        self._checking: dict[bytes, trio.Event] = {}
        self._turns = trio.Semaphore(CHECKS_MAX)
        self._limiter = trio.CapacityLimiter(CHECKS_MAX)

    def expired(self) -> list[str]:
        """The names of the keys that no longer open anything."""
        now_ms = self._clock.wall_ms()
        grants = [key.grant for key in self._keys.values()]
        return [grant.name for grant in grants if grant.ends_ms is not None and grant.ends_ms <= now_ms]

    def short(self) -> list[str]:
        """The names of the keys that somebody may guess."""
        return [key.grant.name for key in self._keys.values() if not key.is_long]

    def left_s(self, grant: Grant) -> float:
        """For how many seconds from now a grant is good. What takes a while asks again and again."""
        return math.inf if grant.ends_ms is None else (grant.ends_ms - self._clock.wall_ms()) / 1000

    def known(self, headers: Headers, address: str) -> Grant | None:
        """What whoever sent the headers may do; None where only ``identify`` can tell, since it may wait.

        Raises ``NotAuthenticatedError``, ``NotPermittedError`` or ``TooManyFailuresError``.
        """
        try:
            return self._find(self._read(headers, address), address)
        except SynapError as error:
            self._count(error)
            raise

    async def identify(self, headers: Headers, address: str) -> Grant:
        """As ``known``, and waits for a password to be checked. Raises ``OverloadedError`` if too many are."""
        try:
            credentials = self._read(headers, address)
            while (grant := self._find(credentials, address)) is None:
                assert isinstance(credentials, Login)
                await self._check(credentials, address)
        except SynapError as error:
            self._count(error)
            raise
        return grant

    # --- what takes no time ------------------------------------------------------------------------------

    def _read(self, headers: Headers, address: str) -> Credentials:
        try:
            credentials = read_credentials(headers)
        except NotAuthenticatedError:
            self._backoff.check(address)
            self._backoff.fail(address)
            raise
        if credentials is None:
            # No guess, so it does not count as one.
            raise NotAuthenticatedError("missing", "credentials are needed: an API key, or a user name and password")
        return credentials

    def _find(self, credentials: Credentials, address: str) -> Grant | None:
        if isinstance(credentials, ApiKey):
            return self._find_key(credentials, address)
        remembered = self._remembered(_digest(self._secret, credentials, address))
        if remembered is None:
            self._backoff.check(address)
        return remembered

    def _find_key(self, credentials: ApiKey, address: str) -> Grant:
        key = self._keys.get(digest_of(credentials.key))
        if key is not None and key.is_long:
            self._check_key(key, address)
            return key.grant
        digest = _digest(self._secret, credentials, address)
        if self._remembered(digest) is None:
            self._backoff.check(address)
        if key is None:
            self._backoff.fail(address)
            raise NotAuthenticatedError("wrong", _WRONG)
        self._check_key(key, address)
        self._remember(digest, key.grant)
        return key.grant

    def _check_key(self, key: _Key, address: str) -> None:
        """Whether a key opens now and here. Whoever has it may be told."""
        if self.left_s(key.grant) <= 0:
            self._backoff.fail(address)
            raise NotAuthenticatedError("expired", "this API key has expired")
        if key.networks and not _is_within(address, key.networks):
            raise NotPermittedError("address", "this API key is not for use from this address")

    def _remembered(self, digest: bytes) -> Grant | None:
        grant = self._known.get(digest)
        if grant is not None:
            self._known.move_to_end(digest)
        return grant

    def _remember(self, digest: bytes, grant: Grant) -> None:
        self._known[digest] = grant
        self._known.move_to_end(digest)
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)

    def _count(self, error: SynapError) -> None:
        match error:
            case NotAuthenticatedError():
                self._failures.labels(error.reason).inc()
            case NotPermittedError():
                self._failures.labels("address").inc()
            case TooManyFailuresError():
                self._failures.labels("too_many").inc()
            case OverloadedError():
                self._failures.labels("overloaded").inc()

    # --- what does ---------------------------------------------------------------------------------------

    async def _check(self, login: Login, address: str) -> None:
        """Check a password, and remember it if it is right; return at once where the same one is just being checked."""
        digest = _digest(self._secret, login, address)
        if (checking := self._checking.get(digest)) is not None:
            await checking.wait()
            return
        if len(self._checking) >= WAITING_MAX:
            raise OverloadedError("too many passwords are being checked at once; nothing was written")
        checked = self._checking[digest] = trio.Event()
        try:
            self._remember(digest, await self._check_in_turn(login, address))
        finally:
            del self._checking[digest]
            checked.set()

    async def _check_in_turn(self, login: Login, address: str) -> Grant:
        """Whose password it is. What failed while this waited for its turn, counts when it has it."""
        async with self._turns:
            with self._backoff.attempt(address):
                user, right = await self._ask_bcrypt(login)
            if user is None or not right:
                self._backoff.fail(address)
                raise NotAuthenticatedError("wrong", _WRONG)
        return user.grant

    async def _ask_bcrypt(self, login: Login) -> tuple[_User | None, bool]:
        user = self._users.get(login.username)
        password_hash = self._nobody.hash_for(login.username) if user is None else user.password_hash
        right = await trio.to_thread.run_sync(
            self._check_password, login.password, password_hash, limiter=self._limiter
        )
        return user, right


def _digest(secret: bytes, credentials: Credentials, address: str) -> bytes:
    """What stands for credentials from an address in memory: nothing that helps whoever reads it."""
    digest = hashlib.blake2b(key=secret, digest_size=_DIGEST_BYTES)
    parts = (b"key", credentials.key) if isinstance(credentials, ApiKey) else _parts(credentials)
    for part in (*parts, address.encode()):
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()


def _parts(login: Login) -> tuple[bytes, ...]:
    return b"login", login.username.encode(), login.password


def _user(settings: UserSettings) -> _User:
    return _User(Grant(settings.username, Role[settings.role.upper()]), settings.password_hash.encode())


def _key(settings: ApiKeySettings) -> _Key:
    prefixes = tuple(prefix.encode() for prefix in settings.prefixes)
    return _Key(
        Grant(
            settings.name,
            Role[settings.role.upper()],
            prefixes,
            _end_ms(settings.created, settings.expires_days),
        ),
        settings.is_long,
        settings.networks,
    )


def _end_ms(created: date | None, expires_days: int | None) -> int | None:
    """The last day of a key is over at midnight, UTC."""
    if created is None or expires_days is None:
        return None
    end = datetime.combine(created + timedelta(days=expires_days), datetime.min.time(), UTC)
    return int(end.timestamp() * 1000)


def _is_within(address: str, networks: Networks) -> bool:
    try:
        parsed = plain(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def _say_closed(network: str) -> None:
    _logger.warning("too many wrong credentials; nothing unknown from there is looked at for a while", client=network)
