"""Who may have which wish granted: by role, and by the keys that it touches.

The wish is asked, not the route, so that whatever makes wishes (a path, a command in an envelope) is held to the same.
A wish that is refused was not carried out in any part, and the refusal says nothing of what is stored.

A grant with prefixes is for keys under any of them. What a wish touches is given by *beginnings*: a single key is its
own, all keys under a prefix have that prefix, all keys whatever have the empty one. A wish is within a grant if each of
its beginnings begins with one of the grant's prefixes. The table has a row for every command; a test sees to that.
"""

from collections.abc import Callable
from typing import TypeAlias, TypeVar, cast

import msgspec

from synap import commands
from synap.commands import Command, Write
from synap.errors import NotPermittedError
from synap.glob import literal_prefix
from synap.protocol.http.service import Errand, Question, Role, Wish

C = TypeVar("C", bound=Command[object])
R = TypeVar("R")

Beginnings: TypeAlias = tuple[bytes, ...]

PUBLIC_PATTERNS = frozenset({"/health", "/ready", "/openapi.json", "/docs"})
"""The routes whose wishes need no role: who asks there is not looked at, before anything else is."""


class Grant(msgspec.Struct, frozen=True):
    """What somebody may do. ``prefixes`` are those of the keys they may touch; none means all keys.

    ``ends_ms`` is when all of it ends, in ms since the epoch by the wall clock; None where that is never.
    """

    name: str
    role: Role
    prefixes: Beginnings = ()
    ends_ms: int | None = None


ANYBODY = Grant("anybody", Role.ADMIN)
"""Whoever asks where nobody is asked who they are."""

NOBODY = Grant("nobody", Role.PUBLIC)
"""Whoever asks for what is public."""


def check(grant: Grant, wish: Wish[R]) -> None:
    """Raises ``NotPermittedError`` where the grant does not allow the wish; it says what would."""
    if grant is ANYBODY:
        return
    needs = _needs(wish)
    if grant.role < needs:
        role = needs.name.lower()
        raise NotPermittedError(role, f"this needs the role {role}, which these credentials do not have")
    if grant.prefixes and needs > Role.PUBLIC:
        _check_prefixes(grant.prefixes, _beginnings(wish))


def may_read_all(grant: Grant) -> bool:
    """Whether the grant allows any query of any key."""
    return grant.role >= Role.READER and not grant.prefixes


def may_write_all(grant: Grant) -> bool:
    """Whether the grant allows any write of single keys, whichever they are."""
    return grant.role >= Role.WRITER and not grant.prefixes


def _check_prefixes(prefixes: Beginnings, beginnings: Beginnings) -> None:
    for beginning in beginnings:
        if not beginning:
            raise NotPermittedError(
                "prefix", "this is about all keys, and these credentials are only for those under their prefixes"
            )
        if not beginning.startswith(prefixes):
            raise NotPermittedError("prefix", "these credentials are only for keys under their prefixes")


def _needs(wish: Wish[R]) -> Role:
    if isinstance(wish, Question | Errand):
        return wish.needs
    if isinstance(wish, _FOR_ADMINS):
        return Role.ADMIN
    return Role.WRITER if isinstance(wish, Write) else Role.READER


def _beginnings(wish: Wish[R]) -> Beginnings:
    if isinstance(wish, Question | Errand):
        return (wish.under,)
    return TOUCHED[type(wish)](wish)


_FOR_ADMINS = (commands.Flush, commands.PurgeExpired, commands.Evict)
"""What empties the store, and what only the server itself wishes for."""

Touched: TypeAlias = Callable[[Command[object]], Beginnings]


def _row(kind: type[C], touched: Callable[[C], Beginnings]) -> tuple[type[Command[object]], Touched]:
    """A row of the table: that the function fits the command is checked here, by the types."""
    return kind, cast("Touched", touched)


def _prefix_of(pattern: bytes) -> bytes:
    """What every key that matches a pattern begins with. That it may not be UTF-8 is the keyspace's to refuse."""
    return literal_prefix(pattern.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


_ALL_KEYS: Beginnings = (b"",)

TOUCHED: dict[type[Command[object]], Touched] = dict(
    [
        _row(commands.Set, lambda wish: (wish.key,)),
        _row(commands.GetTouch, lambda wish: (wish.key,)),
        _row(commands.GetDelete, lambda wish: (wish.key,)),
        _row(commands.Delete, lambda wish: (wish.key,)),
        _row(commands.DeleteMany, lambda wish: wish.keys),
        _row(commands.DeletePrefix, lambda wish: (wish.prefix,)),
        _row(commands.Flush, lambda _: _ALL_KEYS),
        _row(commands.Expire, lambda wish: (wish.key,)),
        _row(commands.Persist, lambda wish: (wish.key,)),
        _row(commands.SetMany, lambda wish: tuple([pair.key for pair in wish.pairs])),
        _row(commands.Increment, lambda wish: (wish.key,)),
        _row(commands.Append, lambda wish: (wish.key,)),
        _row(commands.SetRange, lambda wish: (wish.key,)),
        _row(commands.Rename, lambda wish: (wish.key, wish.destination)),
        _row(commands.Copy, lambda wish: (wish.key, wish.destination)),
        _row(commands.PurgeExpired, lambda _: _ALL_KEYS),
        _row(commands.Evict, lambda _: _ALL_KEYS),
        _row(commands.Get, lambda wish: (wish.key,)),
        _row(commands.GetTimed, lambda wish: (wish.key,)),
        _row(commands.GetRange, lambda wish: (wish.key,)),
        _row(commands.Length, lambda wish: (wish.key,)),
        _row(commands.GetMany, lambda wish: wish.keys),
        _row(commands.Exists, lambda wish: (wish.key,)),
        _row(commands.TimeToLive, lambda wish: (wish.key,)),
        _row(commands.MemoryUsage, lambda wish: (wish.key,)),
        _row(commands.RandomKey, lambda _: _ALL_KEYS),
        _row(commands.Keys, lambda wish: (_prefix_of(wish.pattern),)),
        _row(commands.Scan, lambda wish: (wish.prefix,)),
        _row(commands.Count, lambda wish: (wish.prefix,)),
    ]
)
"""The beginnings of the keys that each command touches."""
