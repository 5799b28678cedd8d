"""Counters and histograms as plain numbers, which prometheus-client reads when somebody scrapes.

Its own take a lock for every number and walk through the buckets: microseconds, where a read of the store takes one.
Here, counting is an addition. That needs no lock because each number has one writer, the event loop or the one thread
that writes the log; a scrape in between may see a histogram's count before its sum, of which no rate is the wiser.

A family is registered with its registry as it is made. Of one with labels, each child is looked up once by whoever
counts often. ``Counter`` and ``Histogram`` are families of a single child without labels.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from time import perf_counter

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class Count:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        """Add to it."""
        self.value += amount


class Distribution:
    """How often which size was observed: one count for each of ``bounds`` (ascending, included) and one above."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, size: float) -> None:
        """Take one in."""
        self.counts[bisect_left(self.bounds, size)] += 1
        self.total += size

    def time(self) -> "Timing":
        """Take in the seconds that the block lasts, however it ends."""
        return Timing(self)

    def cumulative(self) -> list[tuple[str, float]]:
        """The buckets as Prometheus counts them: each with all that is below."""
        names = [str(float(bound)) for bound in self.bounds]
        return list(zip([*names, "+Inf"], accumulate(self.counts), strict=True))


class Timing:
    """A block whose time is taken in. A class, because a generator would cost more than what is counted here."""

    __slots__ = ("_into", "_started_s")

    def __init__(self, into: Distribution) -> None:
        self._into = into
        self._started_s = 0.0

    def __enter__(self) -> None:
        self._started_s = perf_counter()

    def __exit__(self, *_: object) -> None:
        self._into.observe(perf_counter() - self._started_s)


class Counters(Collector):
    """A family of counts, one for each combination of labels that was asked for. ``name`` is without "_total"."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str], *, registry: CollectorRegistry) -> None:
        self.name, self.documentation, self.label_names = name, documentation, tuple(labels)
        self._children: dict[tuple[str, ...], Count] = {}
        registry.register(self)

    def labels(self, *values: str) -> Count:
        """The count with these values of the labels, made where there is none."""
        found = self._children.get(values)
        if found is None:
            assert len(values) == len(self.label_names)
            found = self._children[values] = Count()
        return found

    def collect(self) -> Iterator[Metric]:
        """See ``Collector``."""
        family = CounterMetricFamily(self.name, self.documentation, labels=self.label_names)
        for values, count in self._children.items():
            family.add_metric(values, count.value)
        yield family


class Histograms(Collector):
    """A family of distributions over the same ``buckets``, one for each combination of labels."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self.name, self.documentation, self.label_names = name, documentation, tuple(labels)
        self._bounds = tuple(buckets)
        self._children: dict[tuple[str, ...], Distribution] = {}
        registry.register(self)

    def labels(self, *values: str) -> Distribution:
        """The distribution with these values of the labels, made where there is none."""
        found = self._children.get(values)
        if found is None:
            assert len(values) == len(self.label_names)
            found = self._children[values] = Distribution(self._bounds)
        return found

    def collect(self) -> Iterator[Metric]:
        """See ``Collector``."""
        family = HistogramMetricFamily(self.name, self.documentation, labels=self.label_names)
        for values, sizes in self._children.items():
            family.add_metric(values, sizes.cumulative(), sizes.total)
        yield family


class Counter(Counters):
    """A count without labels."""

    def __init__(self, name: str, documentation: str, *, registry: CollectorRegistry) -> None:
        super().__init__(name, documentation, (), registry=registry)
        self.inc = self.labels().inc


class Histogram(Histograms):
    """A distribution without labels."""

    def __init__(self, name: str, documentation: str, *, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        super().__init__(name, documentation, (), buckets=buckets, registry=registry)
        sizes = self.labels()
        self.observe, self.time = sizes.observe, sizes.time
