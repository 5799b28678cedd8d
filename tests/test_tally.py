"""Counters and histograms: that they say what prometheus-client's own would say of the same numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as TheirCounter
from prometheus_client import Histogram as TheirHistogram
from prometheus_client.parser import text_string_to_metric_families

from synap.tally import Counter, Counters, Distribution, Histogram, Histograms

BUCKETS = (0.001, 0.5, 1, 2.5)
SIZES = st.sampled_from([0.0, 0.001, 0.0010001, 0.5, 1, 2.5, 2.6, 1e9]) | st.floats(0, 10)
LABELS = st.tuples(st.sampled_from(["a", "b", 'quo"te\n\\']), st.sampled_from(["x", "y"]))


def samples(registry: CollectorRegistry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Everything a scrape tells, but for the times that counters were made at."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (each.name, frozenset(each.labels.items())): each.value
        for family in families
        for each in family.samples
        if not each.name.endswith("_created")
    }


@given(st.lists(st.tuples(LABELS, st.integers(0, 100))))
def test_counters_are_theirs(counted: list[tuple[tuple[str, str], int]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counters = Counters("things", "About things.", ["one", "two"], registry=ours)
    reference = TheirCounter("things", "About things.", ["one", "two"], registry=theirs)
    for labels, amount in counted:
        counters.labels(*labels).inc(amount)
        reference.labels(*labels).inc(amount)
    assert samples(ours) == samples(theirs)


@given(st.lists(st.tuples(LABELS, SIZES)))
def test_histograms_are_theirs(observed: list[tuple[tuple[str, str], float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histograms = Histograms("sizes", "About sizes.", ["one", "two"], buckets=BUCKETS, registry=ours)
    reference = TheirHistogram("sizes", "About sizes.", ["one", "two"], buckets=BUCKETS, registry=theirs)
    for labels, size in observed:
        histograms.labels(*labels).observe(size)
        reference.labels(*labels).observe(size)
    assert samples(ours) == samples(theirs)


def test_families_without_labels_are_there_before_anything_is_counted() -> None:
    registry = CollectorRegistry()
    counter = Counter("synap_things", "About things.", registry=registry)
    histogram = Histogram("synap_sizes", "About sizes.", buckets=(1, 10), registry=registry)
    assert registry.get_sample_value("synap_things_total") == 0
    assert registry.get_sample_value("synap_sizes_count") == 0
    counter.inc()
    counter.inc(2)
    histogram.observe(7)
    assert registry.get_sample_value("synap_things_total") == 3
    assert registry.get_sample_value("synap_sizes_bucket", {"le": "10.0"}) == 1
    assert registry.get_sample_value("synap_sizes_bucket", {"le": "1.0"}) == 0
    assert registry.get_sample_value("synap_sizes_bucket", {"le": "+Inf"}) == 1


def test_time_is_taken_also_of_what_fails() -> None:
    sizes = Distribution((10.0, 100.0))
    with sizes.time():
        pass
    with pytest.raises(ValueError, match="no"), sizes.time():
        raise ValueError("no")
    assert sizes.counts == [2, 0, 0]
    assert sizes.total > 0


def test_a_child_is_the_same_each_time() -> None:
    counters = Counters("things", "", ["one"], registry=CollectorRegistry())
    assert counters.labels("a") is counters.labels("a")
    with pytest.raises(AssertionError):
        counters.labels("a", "b")
