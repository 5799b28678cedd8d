"""The types that a type checker sees. That they are right is checked where this file is checked; here it only runs."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

from support import URL
from synap_sdk import AsyncClient, AsyncWatch, Client, KeyPage, SynapClient, Value, Versioned, Watch, Written


def blocking(client: Client) -> None:
    assert_type(client.kv.set("k", {"a": [1, None]}, ttl=60), Written)
    assert_type(client.kv.get("k"), Value)
    assert_type(client.kv.get_with_version("k"), Versioned | None)
    assert_type(client.kv.delete("k", if_version=3), bool)
    assert_type(client.kv.incr("k", amount=2), int)
    assert_type(client.kv.mget(["k"]), list[Value])
    assert_type(client.kv.keys(), KeyPage)
    assert_type(client.kv.scan("p:"), Iterator[str])
    assert_type(client.watch(), Watch)
    client.kv.get(7)  # type: ignore[arg-type]
    client.kv.get("k", ttl=60)  # type: ignore[call-arg]


async def awaited(client: AsyncClient) -> None:
    assert_type(await client.kv.exists("k"), bool)
    assert_type(await client.kv.get("k"), Value)
    assert_type(await client.kv.set("k", b"v"), Written)
    assert_type(client.kv.scan(), AsyncIterator[str])
    assert_type(client.watch("p:"), AsyncWatch)


async def either(client: SynapClient) -> None:
    assert_type(client.kv.get("k"), Any)
    assert_type(await client.kv.get("k"), Any)
    client.kv.get("k", ttl=60)  # type: ignore[call-arg]


def test_the_options_are_typed() -> None:
    Client(URL, api_key="k", deadline_s=1)
    AsyncClient(URL, api_key=None)
    SynapClient(URL, deadline_s=0.5)
