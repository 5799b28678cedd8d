"""When to try again, and when to give up.

A call is tried again if the error is transient and nothing can happen twice: it is repeatable, or surely nothing was
written. The waits grow and are spread by chance, so that the clients of a server that comes back do not come back all
at once; a Retry-After of the server is a lower limit. A wait that would leave no time for a try is not begun: the
caller learns at once what there is to learn.
"""

from dataclasses import dataclass

from synap_sdk.errors import InvalidArgument, SynapError

FIRST_WAIT_S = 0.05
"""A server that was killed takes longer; one that refused a burst does not."""

MAX_WAIT_S = 0.5
"""Within the default deadline there are four tries at this pace; a server that is back is found soon."""

MIN_TRY_S = 0.05
"""A try with less time than this would end in "too late", and hide what the tries before it found out."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one call may take, all tries and waits included, and how long one try to connect."""

    deadline_s: float = 2.0
    connect_timeout_s: float = 1.0

    def __post_init__(self) -> None:
        for name, given in (("deadline_s", self.deadline_s), ("connect_timeout_s", self.connect_timeout_s)):
            if not 0 < given < float("inf"):
                raise InvalidArgument(f"{name}: expected a positive, finite number of seconds")


class Backoff:
    """The waits between tries: each twice the one before, up to ``max_wait_s``, and half of it by chance."""

    def __init__(self, max_wait_s: float = MAX_WAIT_S) -> None:
        self._max_wait_s = max_wait_s
        self.reset()

    def reset(self) -> None:
        """It went well: begin with the shortest again."""
        self._next_s = FIRST_WAIT_S

    def wait_s(self, error: SynapError, chance: float) -> float:
        """How long to wait after an error; ``chance`` is from 0 to 1."""
        pace_s = self._next_s
        self._next_s = min(self._max_wait_s, 2 * pace_s)
        return (error.retry_after_s or 0.0) + pace_s * (1 + chance) / 2


class Attempts:
    """The tries of one call: how many there were, and how much time is left."""

    def __init__(self, patience: Patience, now_s: float, *, repeatable: bool) -> None:
        self._patience = patience
        self._until_s = now_s + patience.deadline_s
        self._repeatable = repeatable
        self._backoff = Backoff()
        self._count = 0

    def remaining_s(self, now_s: float) -> float:
        """The time that is left for the call; never negative."""
        return max(0.0, self._until_s - now_s)

    def connect_timeout_s(self, now_s: float) -> float:
        """The time that is left for connecting."""
        return min(self._patience.connect_timeout_s, self.remaining_s(now_s))

    def wait_after(self, error: SynapError, now_s: float, chance: float) -> float | None:
        """How long to wait before the next try; None where the error is the end of it."""
        self._count += 1
        error.attempts = self._count
        if not error.transient or not (self._repeatable or error.outcome == "not_written"):
            return None
        wait_s = self._backoff.wait_s(error, chance)
        return wait_s if wait_s + MIN_TRY_S <= self.remaining_s(now_s) else None
