"""A call: what is asked, how the answer is read, and whether it may be asked twice."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from synap_sdk._core.message import Request, Response

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Call(Generic[R]):
    """A request and the reader of its answer.

    ``repeatable`` says that doing it twice is as good as once: reads, and nothing else but what says why. ``also`` are
    statuses beside 2xx that the reader understands.
    """

    request: Request
    read: Callable[[Response], R]
    repeatable: bool = False
    also: tuple[int, ...] = ()
