"""The routes for whoever runs the server, and what holds for every route that reads."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

import synap
from synap.protocol.http.router import Route
from synap.protocol.http.routes import ROUTES
from tests.contract.client import Client


async def test_health(client: Client) -> None:
    reply = await client.get("/health")
    told = reply.json
    assert isinstance(told, dict)
    assert told.pop("uptime_secs") >= 0
    assert (reply.status, told) == (200, {"status": "healthy", "service": "synap", "version": synap.__version__})


async def test_ready(client: Client) -> None:
    reply = await client.get("/ready")
    assert (reply.status, reply.json) == (200, {"ready": True})


async def test_metrics(client: Client) -> None:
    await client.set("secret", "v")
    await client.get("/kv/get/secret")
    await client.get("/secret")
    reply = await client.get("/metrics")
    assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    text = reply.body.decode()
    assert "secret" not in text
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"synap_kv_keys", "synap_http_requests", "synap_process_memory_bytes"} <= names
    assert 'synap_http_requests_total{method="GET",route="/kv/get/{key}",status="200"} 1.0' in text
    assert 'synap_http_requests_total{method="GET",route="unmatched",status="404"} 1.0' in text
    assert 'synap_kv_operations_total{operation="set",status="ok"} 1.0' in text
    assert "\nsynap_kv_keys 1.0\n" in text
    assert "\nsynap_wal_seq 1.0\n" in text


def target_of(route: Route) -> str:
    """A target of the route; of what has no end, a part that has one."""
    target = route.pattern.format(key="a")
    return f"{target}?wait=0" if target == "/events" else target


@pytest.mark.parametrize("target", [target_of(route) for route in ROUTES if route.method == "GET"])
async def test_head_is_get_without_a_body(client: Client, target: str) -> None:
    await client.post("/kv/mset", {"pairs": [["a", "v" * 2000], *([f"key-{n}", n] for n in range(200))]})
    same = ("content-type", "etag", "cache-control", "vary", "content-encoding")
    for headers in ({}, {"accept-encoding": "gzip"}):
        read = await client.request("GET", target, headers=headers)
        head = await client.request("HEAD", target, headers=headers)
        assert (head.status, head.body) == (read.status, b"")
        assert [head.headers.get(name) for name in same] == [read.headers.get(name) for name in same]
        assert int(head.headers["content-length"]) > 0


@pytest.mark.parametrize("target", [target_of(route) for route in ROUTES])
async def test_nothing_is_cached(client: Client, target: str) -> None:
    for method in ("GET", "POST", "DELETE", "HEAD"):
        assert (await client.request(method, target)).headers["cache-control"] == "no-store"


async def test_the_server_does_not_say_what_it_is_made_of(client: Client) -> None:
    headers = (await client.get("/health")).headers
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers
