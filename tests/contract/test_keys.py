"""What a key may be, in a body and in a path; how each route refuses what it may not be: ``test_every_route.py``."""

import json
from urllib.parse import quote

import pytest

from tests.contract.client import Client, refusal

KEY_MAX_BYTES = 65_536

STRANGE_KEYS = [
    "\0",
    "/",
    "//",
    "a/b",
    "%2F",
    "%",
    ":",
    "+",
    " ",
    "?",
    "#",
    "&=",
    ".",
    "..",
    "a/../b",
    "\\",
    '"',
    "\r\n",
    "\x7f",
    "😀",
    "é",
    "e\u0301",
    "\ufeff",
    "\U0010ffff",
    "keys",
    "get",
    "k" * KEY_MAX_BYTES,
    "é" * (KEY_MAX_BYTES // 2),
]


@pytest.mark.parametrize("key", STRANGE_KEYS, ids=lambda key: repr(key[:8]))
async def test_any_text_is_a_key_and_only_itself(client: Client, key: str) -> None:
    await client.set(key, "here")
    every_byte_escaped = "".join(f"%{byte:02X}" for byte in key.encode())
    for target in {quote(key, safe=""), every_byte_escaped, every_byte_escaped.lower()}:
        assert (await client.get(f"/kv/get/{target}")).json == "here"
    assert (await client.get(f"/kv/exists/{every_byte_escaped}")).json == {"exists": True}
    assert (await client.get("/kv/keys")).field("keys") == [key]
    assert (await client.get("/kv/scan")).field("keys") == [key]
    assert (await client.post("/kv/mget", {"keys": [key]})).json == {"values": ["here"]}
    assert (await client.get("/kv/count")).json == {"count": 1}
    assert (await client.delete(f"/kv/del/{every_byte_escaped}")).json == {"deleted": True, "key": key}


async def test_a_path_segment_is_decoded_once_and_plus_is_plus(client: Client) -> None:
    await client.set("a+b", "plus")
    await client.set("a b", "space")
    await client.set("a%2Fb", "percent")
    await client.set("a/b", "slash")
    for target, value in [("a+b", "plus"), ("a%20b", "space"), ("a%252Fb", "percent"), ("a%2Fb", "slash")]:
        assert (await client.get(f"/kv/get/{target}")).json == value


async def test_a_raw_slash_or_dot_segment_is_not_part_of_a_key(client: Client) -> None:
    assert refusal(await client.get("/kv/get/a/b")) == (404, "unknown_route", "path")
    await client.set(".", "dot")
    assert (await client.get("/kv/get/.")).json == "dot"
    assert (await client.get("/kv/get/..")).json is None


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("set", {"key": "KEY", "value": 1}),
        ("mset", {"pairs": [["fine", 1], ["KEY", 1]]}),
        ("mset", {"pairs": [{"key": "KEY", "value": 1}]}),
        ("msetnx", {"pairs": [["fine", 1], ["KEY", 1]]}),
        ("mget", {"keys": ["fine", "KEY"]}),
        ("mdel", {"keys": ["fine", "KEY"]}),
    ],
)
async def test_a_key_in_a_body_may_be_refused(client: Client, route: str, body: dict[str, object]) -> None:
    def with_key(key: str) -> bytes:
        return json.dumps(body).replace('"KEY"', f'"{key}"').encode()

    assert refusal(await client.post(f"/kv/{route}", with_key(""))) == (400, "invalid_key", "key")
    long = await client.post(f"/kv/{route}", with_key("k" * (KEY_MAX_BYTES + 1)))
    assert refusal(long) == (413, "too_large", "key")
    for surrogate in (r"\ud800", r"a\udfff", r"\udc00\ud800"):
        assert refusal(await client.post(f"/kv/{route}", with_key(surrogate))) == (400, "malformed_request", "body")
    assert (await client.get("/kv/count")).json == {"count": 0}, "all or nothing"
    assert (await client.post(f"/kv/{route}", with_key(r"\ud83d\ude00"))).status == 200, "a whole pair is a character"
