"""The second order over the leaves: by deadline, exact at every moment, with no stale entries to sweep up.

Time is cut into buckets of about a second, and buckets are gathered into spans of about a quarter of an hour::

    spans, sorted     the buckets in use      the leaves, chained in any order

    1621246  ──────►  1660156250  ─────────►  leaf ⇄ leaf ⇄ leaf
                      1660156900  ─────────►  leaf
    1621249  ──────►  1660159001  ─────────►  leaf ⇄ leaf

* Moving a leaf is what a server does all day, so it costs two look-ups and two links, at any number of leaves.
  A chain lives in the leaves themselves: most buckets of a far deadline hold one leaf, and a container for each
  would weigh more than the leaf.
* Order is made where it is asked for, from the front: the few spans are always sorted, the at most 1,024 buckets
  of a span and the leaves of a bucket only when they come due. One sorted list of all buckets was tried: when
  sessions live for a month, building it takes three times as long.
* Nothing empty stays: the last leaf takes its bucket along, the last bucket its span.

Deadlines are any integers; those before the epoch fall into buckets with negative numbers.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import cast

from sortedcontainers import SortedDict

from synap.radix.nodes import INT_BYTES, Leaf, allocated

BUCKET_BITS = 10
"""A bucket is 1,024 ms: in the second in which it comes due, its leaves are looked through at each asking."""

SPAN_BITS = 10
"""A span is 1,024 buckets, 17.5 minutes: a month has 2,500 of them, and sorting the buckets of one is no pause."""

BUCKET_BYTES = INT_BYTES + allocated(dict.fromkeys(range(1024))) // 1024
"""The weight of a bucket: its number and its share of a well filled dict."""

SPAN_BYTES = INT_BYTES + allocated({0: 0}) + BUCKET_BYTES
"""The weight of a span: its number, its dict, and its place in the sorted dict."""


class DeadlineIndex:
    """All leaves that have a deadline. It owns ``deadline_ms``, ``before`` and ``after`` of every leaf it has."""

    __slots__ = ("bucket_count", "spans")

    def __init__(self) -> None:
        self.spans: SortedDict[int, dict[int, Leaf]] = SortedDict()
        """Span number to bucket number to the first leaf of a chain. Bucket numbers are counted from the epoch."""
        self.bucket_count = 0

    @property
    def memory_bytes(self) -> int:
        """What buckets and spans occupy; the links are part of the leaves."""
        return self.bucket_count * BUCKET_BYTES + len(self.spans) * SPAN_BYTES

    def move(self, leaf: Leaf, deadline_ms: int | None) -> None:
        """Give a leaf a new deadline, its first, or none."""
        old_ms = leaf.deadline_ms
        leaf.deadline_ms = deadline_ms
        old = None if old_ms is None else old_ms >> BUCKET_BITS
        new = None if deadline_ms is None else deadline_ms >> BUCKET_BITS
        if old == new:
            return
        if old is not None:
            self._unlink(leaf, old)
        if new is not None:
            self._link(leaf, new)

    def fill(self, leaves: Iterable[Leaf]) -> None:
        """Take in the first leaves, all at once; those that have a deadline were made with it."""
        assert not self.spans, "only an empty index can be filled"
        spans: defaultdict[int, dict[int, Leaf]] = defaultdict(dict)
        for leaf in leaves:
            if leaf.deadline_ms is None:
                continue
            bucket = leaf.deadline_ms >> BUCKET_BITS
            buckets = spans[bucket >> SPAN_BITS]
            first = buckets.get(bucket)
            if first is not None:
                leaf.after = first
                first.before = leaf
            buckets[bucket] = leaf
        # A sorted dict sorts what it is given at once; one by one, each span would look for its place.
        self.spans.update(spans)
        self.bucket_count = sum(map(len, spans.values()))

    def due(self, now_ms: int, limit: int | None) -> list[bytes]:
        """Up to ``limit`` keys with a deadline not after ``now_ms``, earliest first (equal ones by key).

        Where more are due, earlier buckets come first; within one, whichever leaves are found first: where sessions
        were made in bulk, a bucket is far larger than what is asked for, and is not to be looked through each time.
        """
        found: list[tuple[int, bytes]] = []
        for first in self._chains(now_ms >> BUCKET_BITS):
            orders = ((cast("int", leaf.deadline_ms), leaf.key) for leaf in chain(first))
            due_now = (order for order in orders if order[0] <= now_ms)
            found += sorted(islice(due_now, None if limit is None else limit - len(found)))
            if len(found) == limit:
                break
        return [key for _, key in found]

    def clear(self) -> None:
        """Forget every leaf, and unlink the chains, so that the leaves can go."""
        for buckets in self.spans.values():
            for first in buckets.values():
                for leaf in chain(first):
                    leaf.before = leaf.after = leaf.deadline_ms = None
        self.spans.clear()
        self.bucket_count = 0

    def _link(self, leaf: Leaf, bucket: int) -> None:
        span = bucket >> SPAN_BITS
        buckets = self.spans.get(span)
        if buckets is None:
            buckets = self.spans[span] = {}
        first = buckets.get(bucket)
        if first is None:
            self.bucket_count += 1
        else:
            leaf.after = first
            first.before = leaf
        buckets[bucket] = leaf

    def _unlink(self, leaf: Leaf, bucket: int) -> None:
        before, after = leaf.before, leaf.after
        leaf.before = leaf.after = None
        if after is not None:
            after.before = before
        if before is not None:
            before.after = after
        elif after is not None:
            self.spans[bucket >> SPAN_BITS][bucket] = after
        else:
            self._drop_bucket(bucket)

    def _drop_bucket(self, bucket: int) -> None:
        span = bucket >> SPAN_BITS
        buckets = self.spans[span]
        del buckets[bucket]
        self.bucket_count -= 1
        if not buckets:
            del self.spans[span]

    def _chains(self, last_bucket: int) -> Iterator[Leaf]:
        """The first leaf of each bucket up to ``last_bucket``, in the order of the buckets."""
        for span, buckets in self.spans.items():
            if span > last_bucket >> SPAN_BITS:
                return
            for bucket in sorted(buckets):
                if bucket > last_bucket:
                    return
                yield buckets[bucket]


def chain(first: Leaf | None) -> Iterator[Leaf]:
    """The leaves of one bucket. Each may be unlinked when the next one is asked for."""
    leaf = first
    while leaf is not None:
        following = leaf.after
        yield leaf
        leaf = following
