"""``Session``: what a request has in hand."""

from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from synap_sdk._core.values import Json
from synap_sdk.errors import SessionClosed, SessionUnavailable, SynapError
from synap_sdk.sessions._core.data import check_key, plain, plain_object, same
from synap_sdk.sessions._core.identity import tag_in, tag_of
from synap_sdk.sessions._core.merge import Edits


@dataclass(frozen=True, slots=True)
class Stored:
    """A session as it is in the store: at this version, with so many seconds to live (-1: for ever)."""

    id: str = field(repr=False)
    version: int
    data: dict[str, Json] = field(repr=False)
    left_s: int


@dataclass(frozen=True, slots=True)
class Opened:
    """What was found for a cookie: a session, or none. ``instead_of`` is why nobody could look for it."""

    stored: Stored | None
    instead_of: SessionUnavailable | None = None


class Session(MutableMapping[str, Any]):
    """A dictionary of what JSON can say, which is stored at the end of the request if it changed.

    Changes inside its values are noticed, too. Nothing is stored for a session that is empty, and a session that
    becomes empty is ended. ``opening`` finds what is stored, and is called with the first use; ``had_cookie`` says
    whether the browser sent one. Any use may raise ``SessionUnavailable``.

    Its values are ``Any``, as the ones of every framework's session: what was put there, its user knows.
    """

    def __init__(self, opening: Callable[[], Opened], *, had_cookie: bool = False) -> None:
        self._opening: Callable[[], Opened] | None = opening
        self._trouble: SynapError | None = None
        self._closed: str | None = None
        self.had_cookie = had_cookie
        self.accessed = False
        self.opened = Opened(None)
        self.is_over = False
        self.ended: str | None = None
        self.wants_rotation = False
        self.is_cleared = False
        self.tag: str | None = None
        self.edits = Edits()
        self._data: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    # --- the dictionary ----------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        return self._content()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        check_key(key)
        plain(value, f"session[{key!r}]")
        self._changeable()[key] = value

    def __delitem__(self, key: str) -> None:
        del self._changeable()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content())

    def __len__(self) -> int:
        return len(self._content())

    # --- the session -------------------------------------------------------------------------------------

    @property
    def id(self) -> str | None:
        """The id; None where nothing is stored yet. It is as good as a password: not for a log."""
        self._content()
        return None if self.opened.stored is None else self.opened.stored.id

    @property
    def new(self) -> bool:
        """Whether nothing is stored yet."""
        return self.id is None

    @property
    def modified(self) -> bool:
        """Whether there is anything to store, compared with what is there."""
        if not self.is_open:
            return False
        return self.wants_rotation or self.is_over or not same(self.base, plain_object(self._data))

    def change(self, key: str, function: Callable[[Any], Any]) -> Any:
        """Put what the function makes of the value in its place (None where there is none), and give that.

        If another request was faster, the function is called once more with what that one left: a counter counts both,
        and a cart has both. So it must not do anything else. Set, the value would be that of the last request.
        """
        check_key(key)
        return self.edits.apply(key, function, self._changeable(), self.base)

    def rotate(self, owner: str | None = None) -> None:
        """Give the session another id at the end of this request, and end the one before.

        To be called at every login, or whoever planted the id before it would be logged in, too. ``owner`` is who
        logged in, by a name that stays the same; sessions of one owner can be ended together.
        """
        self._changeable()
        self.wants_rotation = True
        if owner is not None:
            self.tag = tag_of(owner)

    def invalidate(self) -> None:
        """End the session: a logout. What is put into it afterwards begins another one."""
        self._changeable().clear()
        self.is_over = True
        if self.opened.stored is not None:
            self.ended = self.opened.stored.id
        self.opened, self.tag, self.wants_rotation, self.is_cleared = Opened(None), None, False, False
        self.edits = Edits()

    def clear(self) -> None:
        """Remove everything; a session that stays empty is ended, also if another request put something there.

        Taking out the keys one by one says less: then the session ends unless another request put something there.
        """
        self._changeable().clear()
        self.is_cleared = True

    # --- for those who open and store it -----------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether it was used, and so looked for and found, or found missing."""
        return self._opening is None

    @property
    def base(self) -> dict[str, Json]:
        """What the store has."""
        return {} if self.opened.stored is None else self.opened.stored.data

    def content(self) -> dict[str, Json]:
        """A copy of what is to be stored. Raises ``InvalidArgument`` for what JSON cannot say."""
        return plain_object(self._data)

    def settle(self, stored: Stored | None) -> None:
        """It is stored like this; what comes next are changes to that."""
        self.opened = Opened(stored)
        self._data = {} if stored is None else plain_object(stored.data)
        self.wants_rotation, self.is_over, self.is_cleared, self.ended = False, False, False, None
        self.edits = Edits()

    def close(self, reason: str) -> None:
        """From now on changes raise ``SessionClosed``, because nobody would store them."""
        self._closed = reason

    def _content(self) -> dict[str, Any]:
        self.accessed = True
        if self._trouble is not None:
            raise self._trouble
        if self._opening is not None:
            try:
                self.opened = self._opening()
            except SynapError as error:
                # Asked again, it would take as long again; and half a request with a session is worse than none.
                self._trouble = error
                raise
            self._opening = None
            self._data = plain_object(self.base)
            self.tag = None if self.opened.stored is None else tag_in(self.opened.stored.id)
        return self._data

    def _changeable(self) -> dict[str, Any]:
        if self._closed is not None:
            raise SessionClosed(self._closed)
        content = self._content()
        if self.opened.instead_of is not None:
            # What is stored in its place would be another session, and the one that may be there would be forgotten.
            raise self.opened.instead_of
        return content
