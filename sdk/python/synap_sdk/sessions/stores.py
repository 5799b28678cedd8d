"""Sessions in the store: the steps of ``_core``, taken with a client that blocks, or one that is awaited."""

import secrets
from collections.abc import Callable
from typing import TypeVar

from synap_sdk._shells.awaitable import AsyncClient
from synap_sdk._shells.sync import Client
from synap_sdk.errors import SessionUnavailable, SynapError
from synap_sdk.sessions._core.finish import AWAY, Verdict, finish
from synap_sdk.sessions._core.identity import TOKEN_BYTES, is_id, owner_prefix
from synap_sdk.sessions._core.options import SessionOptions
from synap_sdk.sessions._core.session import Opened, Session
from synap_sdk.sessions._core.steps import Steps, look

R = TypeVar("R")

Trouble = Callable[[str], SessionUnavailable]
"""Makes the error that an application sees; a framework may want one that it knows."""

SAYS = "the session store does not answer"


def draw() -> str:
    """The random part of an id."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def take(client: Client, steps: Steps[R]) -> R:
    """Take all the steps, each when the one before is done."""
    try:
        call = next(steps)
        while True:
            try:
                result = client.run(call)
            except SynapError as error:
                call = steps.throw(error)
            else:
                call = steps.send(result)
    except StopIteration as end:
        given: R = end.value
        return given


async def take_awaited(client: AsyncClient, steps: Steps[R]) -> R:
    """As ``take``."""
    try:
        call = next(steps)
        while True:
            try:
                result = await client.run(call)
            except SynapError as error:
                call = steps.throw(error)
            else:
                call = steps.send(result)
    except StopIteration as end:
        given: R = end.value
        return given


class _Store:
    """What both kinds have in common: what an error of the client means."""

    def __init__(self, options: SessionOptions | None, trouble: Trouble) -> None:
        self.options = options or SessionOptions()
        self._trouble = trouble

    def _away(self, cause: SynapError) -> SessionUnavailable:
        error = self._trouble(SAYS)
        error.__cause__ = cause
        return error

    def _stand_in(self, cause: SynapError) -> Opened:
        """What there is instead of a session that nobody can look for. Raises ``SessionUnavailable``, or tells so."""
        error = self._away(cause)
        if self.options.when_away == "fail":
            raise error from cause
        return Opened(None, instead_of=error)


class SessionStore(_Store):
    """Sessions for code that blocks; may be shared by any number of threads."""

    def __init__(
        self, client: Client, options: SessionOptions | None = None, *, trouble: Trouble = SessionUnavailable
    ) -> None:
        super().__init__(options, trouble)
        self._client = client

    def open(self, cookie: str | None) -> Session:
        """The session that a cookie leads to, or an empty one. It is looked for with its first use."""
        return Session(lambda: self.find(cookie), had_cookie=cookie is not None)

    def find(self, cookie: str | None) -> Opened:
        """What there is for a cookie. Raises ``SessionUnavailable`` where that is the application's choice."""
        if cookie is None or not is_id(cookie):
            return Opened(None)
        try:
            return Opened(take(self._client, look(cookie, self.options.prefix)))
        except AWAY as error:
            return self._stand_in(error)

    def finish(self, session: Session) -> Verdict:
        """Store a session at the end of a request. Raises ``SessionUnavailable``, and ``SynapError`` for mistakes."""
        return self.take(finish(session, self.options, draw))

    def end_all(self, owner: str) -> int:
        """End all sessions of an owner, in one step; tells how many there were. Raises ``SessionUnavailable``."""
        try:
            return self._client.kv.delete_prefix(owner_prefix(owner, self.options.prefix))
        except AWAY as error:
            raise self._away(error) from error

    def take(self, steps: Steps[R]) -> R:
        """Take steps. Raises ``SessionUnavailable`` where the store is away."""
        try:
            return take(self._client, steps)
        except AWAY as error:
            raise self._away(error) from error


class AsyncSessionStore(_Store):
    """Sessions for code that awaits, in asyncio or trio. As ``SessionStore``, but ``open`` looks at once."""

    def __init__(
        self, client: AsyncClient, options: SessionOptions | None = None, *, trouble: Trouble = SessionUnavailable
    ) -> None:
        super().__init__(options, trouble)
        self._client = client

    async def open(self, cookie: str | None) -> Session:
        """The session that a cookie leads to, or an empty one. What is wrong, its first use raises."""
        try:
            opened = await self.find(cookie)
        except SessionUnavailable as error:
            return Session(_raising(error), had_cookie=True)
        return Session(lambda: opened, had_cookie=cookie is not None)

    async def find(self, cookie: str | None) -> Opened:
        """See ``SessionStore.find``."""
        if cookie is None or not is_id(cookie):
            return Opened(None)
        try:
            return Opened(await take_awaited(self._client, look(cookie, self.options.prefix)))
        except AWAY as error:
            return self._stand_in(error)

    async def finish(self, session: Session) -> Verdict:
        """See ``SessionStore.finish``."""
        return await self.take(finish(session, self.options, draw))

    async def end_all(self, owner: str) -> int:
        """See ``SessionStore.end_all``."""
        try:
            return await self._client.kv.delete_prefix(owner_prefix(owner, self.options.prefix))
        except AWAY as error:
            raise self._away(error) from error

    async def take(self, steps: Steps[R]) -> R:
        """See ``SessionStore.take``."""
        try:
            return await take_awaited(self._client, steps)
        except AWAY as error:
            raise self._away(error) from error


def _raising(error: SessionUnavailable) -> Callable[[], Opened]:
    def opening() -> Opened:
        raise error

    return opening
