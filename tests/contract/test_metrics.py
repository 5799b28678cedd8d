"""GET /metrics as a scraper reads it: what is there, what it is called, and that it adds up."""

import re
from collections.abc import Iterator

import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

import synap
from tests.contract.client import Client

PROMISED = {
    "synap_kv_operations": ("counter", {"operation", "status"}),
    "synap_kv_operation_duration_seconds": ("histogram", {"operation"}),
    "synap_kv_keys": ("gauge", set()),
    "synap_kv_memory_bytes": ("gauge", set()),
    "synap_http_requests": ("counter", {"method", "route", "status"}),
    "synap_http_request_duration_seconds": ("histogram", {"method", "route"}),
    "synap_wal_fsync_duration_seconds": ("histogram", set()),
    "synap_wal_batch_events": ("histogram", set()),
    "synap_wal_bytes": ("counter", set()),
    "synap_wal_seq": ("gauge", set()),
    "synap_snapshot_age_seconds": ("gauge", set()),
    "synap_recovery_seconds": ("gauge", set()),
    "synap_expired_keys": ("counter", set()),
    "synap_process_memory_bytes": ("gauge", {"type"}),
    "synap_build_info": ("gauge", {"version", "radix"}),
}
"""Each of these is part of the contract, with its type and its labels."""

_NAME = re.compile(r"synap_[a-z]+(_[a-z]+)*")
_UNITS = ("_seconds", "_bytes", "_info")


async def scrape(client: Client) -> dict[str, Metric]:
    reply = await client.get("/metrics")
    assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    found = list(text_string_to_metric_families(reply.body.decode()))
    assert len({family.name for family in found}) == len(found), "no family twice"
    return {family.name: family for family in found}


@pytest.fixture
async def scraped(client: Client) -> dict[str, Metric]:
    """A scrape after some of everything."""
    await client.set("secret-key", "secret-value", ttl=60)
    await client.get("/kv/get/secret-key")
    await client.post("/kv/incr/secret-key")
    await client.get("/secret-path")
    await client.request("SECRET", "/kv/get/secret-key")
    await client.post("/api/v1/command", {"command": "kv.get", "payload": {"key": "secret-key"}})
    await client.post("/snapshot")
    return await scrape(client)


def labels_of(family: Metric) -> Iterator[set[str]]:
    for sample in family.samples:
        yield set(sample.labels) - {"le"}


async def test_what_is_promised_is_there(scraped: dict[str, Metric]) -> None:
    for name, (kind, labels) in PROMISED.items():
        family = scraped[name]
        assert (family.type, {frozenset(each) for each in labels_of(family)}) == (kind, {frozenset(labels)}), name


async def test_names_are_prometheus(scraped: dict[str, Metric]) -> None:
    """https://prometheus.io/docs/practices/naming: a prefix, base units in the plural, _total on counters alone."""
    for name, family in scraped.items():
        assert _NAME.fullmatch(name), name
        assert family.documentation, name
        assert not re.search(r"_(ms|milliseconds|us|microseconds|kb|mb|percent|count|sum|bucket|total)$", name), name
        assert (family.type == "counter") == all(each.name == f"{name}_total" for each in family.samples), name
        if "duration" in name or "age" in name:
            assert name.endswith("_seconds")
        if "memory" in name:
            assert name.endswith("_bytes")


async def test_no_key_is_a_label(scraped: dict[str, Metric]) -> None:
    values = {value for family in scraped.values() for each in family.samples for value in each.labels.values()}
    assert not {value for value in values if "secret" in value.lower()}
    assert {"/kv/get/{key}", "/api/v1/command", "unmatched", "other"} <= values


async def test_histograms_add_up(scraped: dict[str, Metric]) -> None:
    histograms = [family for family in scraped.values() if family.type == "histogram"]
    assert len(histograms) >= 5
    for family in histograms:
        series: dict[tuple[str, ...], list[float]] = {}
        counts: dict[tuple[str, ...], float] = {}
        for each in family.samples:
            place = tuple(value for name, value in sorted(each.labels.items()) if name != "le")
            if each.name.endswith("_bucket"):
                series.setdefault(place, []).append(each.value)
            elif each.name.endswith("_count"):
                counts[place] = each.value
        assert set(series) == set(counts)
        for place, buckets in series.items():
            assert buckets == sorted(buckets), "buckets are cumulative"
            assert buckets[-1] == counts[place]


def value(scraped: dict[str, Metric], name: str, **labels: str) -> float:
    (found,) = [
        each.value
        for family in scraped.values()
        for each in family.samples
        if each.name == name and each.labels == labels
    ]
    return found


async def test_what_was_done_is_what_is_counted(scraped: dict[str, Metric]) -> None:
    assert value(scraped, "synap_kv_operations_total", operation="set", status="ok") == 1
    assert value(scraped, "synap_kv_operations_total", operation="get", status="ok") == 2
    assert value(scraped, "synap_kv_operations_total", operation="increment", status="refused") == 1
    assert value(scraped, "synap_kv_operation_duration_seconds_count", operation="get") == 2
    assert value(scraped, "synap_http_requests_total", method="GET", route="/kv/get/{key}", status="200") == 1
    assert value(scraped, "synap_http_requests_total", method="other", route="unmatched", status="405") == 1
    assert value(scraped, "synap_kv_keys") == 1
    assert value(scraped, "synap_wal_seq") == 1
    assert value(scraped, "synap_wal_batch_events_sum") == 1
    assert value(scraped, "synap_snapshots_total", status="ok") == 1
    assert value(scraped, "synap_snapshots_total", status="failed") == 0
    assert value(scraped, "synap_wal_bytes_total") > 0
    (build,) = scraped["synap_build_info"].samples
    assert (build.labels["version"], build.value) == (synap.__version__, 1)


async def test_memory_is_found_by_its_name(client: Client) -> None:
    lines = [line for line in (await client.get("/metrics")).body.decode().splitlines() if "memory" in line]
    told = {line.split()[0]: float(line.split()[1]) for line in lines if not line.startswith("#")}
    resident = told['synap_process_memory_bytes{type="resident"}']
    assert 10_000_000 < resident < told['synap_process_memory_bytes{type="virtual"}']
    assert told["synap_kv_memory_bytes"] == 0
