"""How long a connection may take for what, watched over by one task for all of them.

A deadline of trio's own for every wait would cost each request more than its parsing. So a connection only notes until
when its present state may last, and once a second somebody looks.
"""

from collections.abc import Iterator
from math import inf
from typing import Protocol

import trio

IDLE_MAX_S = 60.0
"""Between two requests, as at the other door."""

INCOMPLETE_MAX_S = 2.0
"""A request that began to come is complete within a round trip or two; the other door has patience with slower ones."""

STALLED_MAX_S = 30.0
"""A client that takes nothing of its response for so long is given up."""

LOOK_EVERY_S = 1.0


class Watched(Protocol):
    """A connection. ``lasts_until`` is a ``trio.current_time``, infinite where it need not be watched."""

    lasts_until: float

    def run_out_of_patience(self) -> None:
        """The time is over."""
        ...


class Patience:
    """All connections of the lane."""

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self.now_s = trio.current_time()

    def __iter__(self) -> Iterator[Watched]:
        return iter(tuple(self._watched))

    def add(self, connection: Watched) -> None:
        """Watch over it from now on."""
        self._watched.add(connection)

    def discard(self, connection: Watched) -> None:
        """It has ended."""
        self._watched.discard(connection)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await trio.sleep(LOOK_EVERY_S)
            now_s = self.now_s = trio.current_time()
            for connection in self:
                if connection.lasts_until < now_s:
                    connection.lasts_until = inf
                    connection.run_out_of_patience()
