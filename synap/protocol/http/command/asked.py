"""A payload made a wish, and how its result is shown: what a command is to the table."""

from collections.abc import Callable
from typing import TypeVar, cast

import msgspec
from msgspec import Raw

from synap.protocol.http.decoding import decode_json
from synap.protocol.http.service import Wish

R = TypeVar("R")
P = TypeVar("P", bound=msgspec.Struct)


class Asked(msgspec.Struct, frozen=True):
    """A wish, and what of its result stands in the payload of the answer. Made by ``asked``.

    ``show`` may raise a ``CommandError``, where the answer is that there is none.
    """

    wish: Wish[object]
    show: Callable[[object], object]


def asked(wish: Wish[R], show: Callable[[R], object]) -> Asked:
    """Pair a wish with what is shown of its result; that they fit is checked here, as in ``router.call``."""
    return Asked(wish, cast("Callable[[object], object]", show))


Handler = Callable[[Raw], Asked]
"""What makes a payload a wish. Raises ``ClientError``."""


def takes(shape: type[P], handle: Callable[[P], Asked]) -> Handler:
    """A handler of payloads of that shape."""
    return lambda payload: handle(decode_json(bytes(payload), shape, "payload"))


def unchanged(result: object) -> object:
    """What is shown of a result that is shown as it is."""
    return result
