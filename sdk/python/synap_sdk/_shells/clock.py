"""Time, waiting and chance: all that makes a run of the client unlike the one before."""

import random
import time
from typing import Protocol

from synap_sdk._shells import loops


class Clock(Protocol):
    """What a client knows of time. Tests have one that only they move."""

    def now_s(self) -> float:
        """Seconds since any moment, never going back."""
        ...

    def chance(self) -> float:
        """A number from 0 to 1."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return so much later."""
        ...

    async def sleep_in_loop(self, seconds: float) -> None:
        """Return so much later, and let others run meanwhile."""
        ...


class SystemClock:
    """The machine's."""

    def now_s(self) -> float:
        """See ``Clock``."""
        return time.monotonic()

    def chance(self) -> float:
        """See ``Clock``."""
        return random.random()  # noqa: S311  # it spreads load, and guards no secret

    def sleep(self, seconds: float) -> None:
        """See ``Clock``."""
        time.sleep(seconds)

    async def sleep_in_loop(self, seconds: float) -> None:
        """See ``Clock``."""
        await loops.sleep(seconds)
