"""``SessionStore``: a session as Django knows them, by the steps that all frameworks share."""

from collections.abc import Callable
from typing import Any

from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted

from synap_sdk._core import operations
from synap_sdk._core.values import Json
from synap_sdk.sessions._core.data import plain_object, same
from synap_sdk.sessions._core.identity import is_id, key_of, make_id, tag_in, tag_of
from synap_sdk.sessions._core.merge import Edits
from synap_sdk.sessions._core.options import is_due
from synap_sdk.sessions._core.session import Opened, Stored
from synap_sdk.sessions._core.steps import Draft, Steps, ask, create, end, extend, look, rotate, update
from synap_sdk.sessions.django.stores import stores
from synap_sdk.sessions.stores import draw


class SessionStore(SessionBase):  # type: ignore[misc]  # Django has no types
    """A session as Django knows them; each method that asks the store has an awaited twin, as Django names it."""

    _session_key: str | None

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.is_over = False
        self._forget()

    def _forget(self) -> None:
        self._opened, self._edits = Opened(None), Edits()
        self._tag: str | None = None
        self._is_cleared = False

    def _validate_session_key(self, key: str | None) -> bool:
        return is_id(key)

    def _get_new_session_key(self) -> str:
        return make_id(draw(), self._tag)

    async def _aget_new_session_key(self) -> str:
        return self._get_new_session_key()

    # --- what Django asks for ----------------------------------------------------------------------------

    def exists(self, session_key: str | None) -> bool:
        """See Django."""
        return stores().blocking.take(_exists(session_key))

    async def aexists(self, session_key: str | None) -> bool:
        """See Django."""
        return await stores().awaited.take(_exists(session_key))

    def load(self) -> dict[str, Json]:
        """See Django."""
        return self._loaded(stores().blocking.find(self.session_key))

    async def aload(self) -> dict[str, Json]:
        """See Django."""
        return self._loaded(await stores().awaited.find(self.session_key))

    def create(self) -> None:
        """See Django. No other session has the id: it was drawn from 2 to the 256."""
        self._session_key = self._get_new_session_key()
        self.save(must_create=True)
        self.modified = True

    async def acreate(self) -> None:
        """See Django."""
        self._session_key = self._get_new_session_key()
        await self.asave(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """See Django. Raises ``UpdateError`` where the session was ended meanwhile."""
        self._get_session(no_load=must_create)
        if self.session_key is None:
            return self.create()
        return stores().blocking.take(self._saving(must_create=must_create))

    async def asave(self, must_create: bool = False) -> None:
        """See Django."""
        await self._aget_session(no_load=must_create)
        if self.session_key is None:
            return await self.acreate()
        return await stores().awaited.take(self._saving(must_create=must_create))

    def delete(self, session_key: str | None = None) -> None:
        """See Django."""
        stores().blocking.take(_ending(session_key or self.session_key))

    async def adelete(self, session_key: str | None = None) -> None:
        """See Django."""
        await stores().awaited.take(_ending(session_key or self.session_key))

    def clear(self) -> None:
        """See Django; and see ``synap_sdk.sessions.Session.clear`` for what else it says."""
        super().clear()
        self._is_cleared = True

    def flush(self) -> None:
        """See Django: a logout."""
        super().flush()
        self._be_over()

    async def aflush(self) -> None:
        """See Django."""
        await super().aflush()
        self._be_over()

    def cycle_key(self, owner: str | None = None) -> None:
        """See Django. ``owner`` is who logged in, by a name that stays the same. Raises ``SessionInterrupted``."""
        self._get_session()
        stores().blocking.take(self._cycling(owner))

    async def acycle_key(self, owner: str | None = None) -> None:
        """See ``cycle_key``."""
        await self._aget_session()
        await stores().awaited.take(self._cycling(owner))

    @classmethod
    def clear_expired(cls) -> None:
        """Nothing is to be done: the store ends sessions by itself, to the millisecond."""

    @classmethod
    async def aclear_expired(cls) -> None:
        """See ``clear_expired``."""

    # --- what is more ------------------------------------------------------------------------------------

    def change(self, key: str, function: Callable[[Any], Any]) -> Any:
        """See ``synap_sdk.sessions.Session.change``."""
        return self._change(key, function, self._get_session())

    async def achange(self, key: str, function: Callable[[Any], Any]) -> Any:
        """See ``change``."""
        return self._change(key, function, await self._aget_session())

    def is_due(self) -> bool:
        """Whether it is to be extended, though nothing changed."""
        stored = self._opened.stored
        return stored is not None and is_due(stored.left_s, self.get_expiry_age())

    def is_emptied(self) -> bool:
        """Whether all was taken out of a session that is stored."""
        return self.modified and self.session_key is not None and not self._get_session()

    def end_emptied(self) -> None:
        """End a session that all was taken out of. What another request put there meanwhile stays, and so does it."""
        if self._is_cleared:
            self.flush()
        else:
            stores().blocking.take(self._ending_emptied())

    # --- how ---------------------------------------------------------------------------------------------

    def _loaded(self, opened: Opened) -> dict[str, Json]:
        self._opened = opened
        if opened.stored is not None:
            self._tag = tag_in(opened.stored.id)
            return plain_object(opened.stored.data)
        if opened.instead_of is None:
            self._session_key = None
        return {}

    def _change(self, key: str, function: Callable[[Any], Any], data: dict[str, Json]) -> Json:
        base = {} if self._opened.stored is None else self._opened.stored.data
        self.modified = True
        return self._edits.apply(key, function, data, base)

    def _saving(self, *, must_create: bool) -> Steps[None]:
        """Store what is in hand, which is loaded already."""
        self._check_seen()
        age_s = self.get_expiry_age()
        if age_s <= 0:
            # It is to be over at a moment that has passed.
            yield from _ending(self.session_key)
        elif must_create:
            self._settle((yield from create(self.session_key, self._data(), _prefix(), age_s)), CreateError)
        else:
            self._settle((yield from self._updating(age_s)), UpdateError)

    def _found(self) -> Steps[Stored | None]:
        """What is stored; it is looked for here if need be, since Django clears a session without having loaded it."""
        if self._opened.stored is None and self.session_key is not None:
            return (yield from look(self.session_key, _prefix()))
        return self._opened.stored

    def _be_over(self) -> None:
        self.is_over = True
        self._forget()

    def _updating(self, age_s: float) -> Steps[Stored | None]:
        base = yield from self._found()
        if base is None:
            return None
        draft = self._draft(base)
        if not same(base.data, dict(draft.data)):
            return (yield from update(draft, _prefix(), age_s, ends_empty=False))
        return (yield from extend(base, _prefix(), age_s)) if is_due(base.left_s, age_s) else base

    def _ending_emptied(self) -> Steps[None]:
        self._check_seen()
        base = yield from self._found()
        if base is not None:
            stored = yield from update(self._draft(base), _prefix(), max(1, self.get_expiry_age()))
            if stored is not None:
                self._settle(stored, UpdateError)
                return
        super().clear()
        self._session_key = None
        self._be_over()

    def _cycling(self, owner: str | None) -> Steps[None]:
        """Store what is in hand under another id."""
        self._check_seen()
        stored: Stored | None
        base, age_s = (yield from self._found()), max(1, self.get_expiry_age())
        if owner is not None:
            self._tag = tag_of(owner)
        elif base is not None:
            self._tag = tag_in(base.id)
        new_id = self._get_new_session_key()
        if base is None:
            stored = yield from create(new_id, self._data(), _prefix(), age_s)
        else:
            stored = yield from rotate(self._draft(base), new_id, _prefix(), age_s)
        self._settle(stored, SessionInterrupted)
        self._session_key, self.modified = new_id, True

    def _settle(self, stored: Stored | None, error: type[Exception]) -> None:
        """It is stored like this. Raises the error where it is not."""
        if stored is None:
            raise error
        self._opened, self._edits, self._is_cleared = Opened(stored), Edits(), False
        self._session_cache = plain_object(stored.data)

    def _check_seen(self) -> None:
        """What nobody could look for must not be replaced. Raises ``SessionUnavailable``."""
        if self._opened.instead_of is not None:
            raise self._opened.instead_of

    def _data(self) -> dict[str, Json]:
        return plain_object(self._session_cache)

    def _draft(self, base: Stored) -> Draft:
        data = self._data()
        return Draft(base, data, self._edits.standing(data))


def _prefix() -> str:
    return stores().options.prefix


def _exists(session_id: str | None) -> Steps[bool]:
    if session_id is None or not is_id(session_id):
        return False
    return (yield from ask(operations.exists(key_of(session_id, _prefix()))))


def _ending(session_id: str | None) -> Steps[None]:
    if session_id is not None and is_id(session_id):
        yield from end(session_id, _prefix())
