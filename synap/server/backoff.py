"""How often wrong credentials came from which address, and how long none from there is looked at.

A few failures are free: whoever mistypes a password, or deploys a stale key, is told so at once. From then on each
failure doubles the time during which the address is answered 429 without a look at what it sent; each minute takes one
back. So guessing passwords is hopeless, and so is keeping the threads that check them busy. What is let pass all the
same, ``authentication`` says.

* Attempts under way count as failures for those that come meanwhile, or a thousand guesses at once would be one.
* Success takes nothing back: whoever has an account must not guess at others in between.
* Of IPv6, the network (/64) counts, not the address: that is the least that anybody is given.
* The table is bounded. Where it is full, the address that was quiet for longest is forgotten.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address

import msgspec

from synap.errors import TooManyFailuresError

FREE_FAILURES = 10
"""A person gives up before that, and ten guesses find no password that is worth the name."""

FIRST_WAIT_S = 1
MAX_WAIT_S = 60
"""1,440 guesses a day are nothing; and after a minute, whoever has put the right key in place is served again."""

FORGET_ONE_AFTER_S = 60.0
"""At this rate failures are forgotten, also those of many people behind one address who mistype now and then."""

TABLE_MAX_ADDRESSES = 10_000
"""As many as there may be connections; with the table itself about 3 MB."""

_NETWORK_BITS = 64
_DOUBLINGS_MAX = 6
_COUNT_MAX = FREE_FAILURES + _DOUBLINGS_MAX + 1


class _Record(msgspec.Struct):
    """``failures`` are those that were not forgotten at ``last_s``; of one, a part may be left."""

    failures: float
    last_s: float
    closed_until_s: float
    attempts: int


class Backoff:
    """The table. ``now_s`` is any clock that does not jump; ``closed`` is called when an address is first refused."""

    def __init__(self, now_s: Callable[[], float], closed: Callable[[str], None] = lambda _: None) -> None:
        self._now_s = now_s
        self._closed = closed
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def check(self, address: str) -> None:
        """Raises ``TooManyFailuresError`` while nothing from the address is looked at."""
        record = self._records.get(network_of(address))
        if record is None:
            return
        left_s = record.closed_until_s - self._now_s()
        if left_s > 0:
            raise TooManyFailuresError(int(left_s) + 1)

    @contextmanager
    def attempt(self, address: str) -> Iterator[None]:
        """Around what takes a while and may turn out as a failure. Raises ``TooManyFailuresError`` as ``check``.

        Where another failure would close the address, there is one attempt at a time.
        """
        self.check(address)
        record = self._record(address)
        if record.attempts and self._remaining(record) + record.attempts >= FREE_FAILURES:
            raise TooManyFailuresError(FIRST_WAIT_S)
        record.attempts += 1
        try:
            yield
        finally:
            record.attempts -= 1

    def fail(self, address: str) -> None:
        """Count a failure."""
        now_s = self._now_s()
        record = self._record(address)
        record.failures = min(self._remaining(record) + 1, _COUNT_MAX)
        record.last_s = now_s
        over = math.ceil(record.failures) - FREE_FAILURES
        if over > 0:
            if record.closed_until_s == 0:
                self._closed(network_of(address))
            record.closed_until_s = now_s + min(FIRST_WAIT_S << (over - 1), MAX_WAIT_S)

    def _remaining(self, record: _Record) -> float:
        """The failures that are not forgotten by this time."""
        return max(record.failures - (self._now_s() - record.last_s) / FORGET_ONE_AFTER_S, 0.0)

    def _record(self, address: str) -> _Record:
        """The record of an address, made where there is none, as the last in the table."""
        network = network_of(address)
        record = self._records.get(network)
        if record is None:
            record = self._records[network] = _Record(0.0, self._now_s(), 0.0, 0)
            if len(self._records) > TABLE_MAX_ADDRESSES:
                self._records.popitem(last=False)
        self._records.move_to_end(network)
        return record


def network_of(address: str) -> str:
    """What of an address counts as one client; an address that is none (a socket without) as it is."""
    try:
        parsed = plain(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(IPv6Address(int(parsed) >> _NETWORK_BITS << _NETWORK_BITS))


def plain(address: str) -> IPv4Address | IPv6Address:
    """An address without a zone; one of IPv4 as that, also where IPv6 wraps it. Raises ``ValueError``."""
    parsed = ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed
