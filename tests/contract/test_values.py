"""What was set is what is read."""

import gzip
import json

import pytest

from tests.contract.client import JSON, Client, refusal

VALUE_MAX_BYTES = 8 * 1024 * 1024


@pytest.mark.parametrize(
    "written",
    [
        '""',
        "null",
        "true",
        "0",
        "-0",
        "-0.0",
        "1.10",
        "1e400",
        "1E+2",
        "9223372036854775808",
        "18446744073709551616",
        "-123456789012345678901234567890",
        "0.1234567890123456789012345678901234567890",
        "[]",
        "{}",
        '{"b":1,"a":{"b":[]},"b":2}',
        r'"\u0000\ud83d\ude00\u00e9\""',
        '"{\\"user_id\\":123}"',
        '"null"',
        '" 7 "',
        "[" * 200 + "]" * 200,
    ],
    ids=lambda written: repr(written[:12]),
)
async def test_a_value_comes_back_as_it_was(client: Client, written: str) -> None:
    reply = await client.post("/kv/set", b'{"key":"a","value":%b}' % written.encode())
    assert reply.status == 200
    read = await client.get("/kv/get/a")
    assert (read.status, read.headers["content-type"]) == (200, "application/json")
    if written.startswith('"'):
        assert read.json == json.loads(written)
        assert read.body.startswith(b'"'), "text is one JSON string, whatever it holds"
    else:
        assert read.body.decode() == written, "digit for digit, member for member"
    assert (await client.post("/kv/mget", {"keys": ["a"]})).body.decode() == f'{{"values":[{read.body.decode()}]}}'
    old = await client.set("a", 0, get=True)
    assert f'"old_value":{read.body.decode()}' in old.body.decode()


async def test_null_is_a_value(client: Client) -> None:
    await client.set("a", None)
    assert (await client.get("/kv/exists/a")).json == {"exists": True}
    assert (await client.get("/kv/get/a")).headers["etag"] == '"1"'


@pytest.mark.parametrize(
    "value",
    ["NaN", "Infinity", "-Infinity", "01", "+1", ".5", "1.", "0x10", "'a'", "undefined", "[1,]", '"\t"', '"\\x"', ""],
)
async def test_what_is_no_json_is_no_value(client: Client, value: str) -> None:
    refused = await client.post("/kv/set", b'{"key":"a","value":%b}' % value.encode())
    assert refusal(refused) == (400, "malformed_request", "body")
    assert (await client.get("/kv/exists/a")).json == {"exists": False}


async def test_a_lone_surrogate_is_no_text(client: Client) -> None:
    for value in (rb'"\ud800"', rb'["\ud800"]', b'"\xed\xa0\x80"', b'"\xff"', b'["\xff"]'):
        refused = await client.post("/kv/set", b'{"key":"a","value":%b}' % value)
        assert refusal(refused) == (400, "malformed_request", "body"), value


async def test_nesting_has_an_end(client: Client) -> None:
    refused = await client.post("/kv/set", b'{"key":"a","value":%b%b}' % (b"[" * 100_000, b"]" * 100_000))
    assert refusal(refused) == (400, "malformed_request", "body")
    assert (await client.get("/health")).status == 200


async def test_the_largest_value(client: Client) -> None:
    largest = "v" * VALUE_MAX_BYTES
    await client.set("a", largest)
    assert (await client.get("/kv/get/a")).json == largest
    packed = await client.request("GET", "/kv/get/a", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed.body)) == largest


@pytest.mark.parametrize("value", ["v" * (VALUE_MAX_BYTES + 1), [0] * (VALUE_MAX_BYTES // 3 + 1)], ids=["text", "json"])
async def test_one_byte_more_is_refused(client: Client, value: object) -> None:
    refused = await client.post("/kv/set", {"key": "a", "value": value})
    assert refusal(refused) == (413, "too_large", "value")
    assert (refused.field("limit"), refused.field("unit")) == (VALUE_MAX_BYTES, "bytes")
    assert (await client.get("/kv/exists/a")).json == {"exists": False}


async def test_compression(client: Client) -> None:
    for size, is_large in ((1021, False), (1022, True)):
        await client.set("a", "v" * size)
        plain = await client.get("/kv/get/a")
        packed = await client.request("GET", "/kv/get/a", headers={"accept-encoding": "br, gzip;q=0.5"})
        refused = await client.request("GET", "/kv/get/a", headers={"accept-encoding": "gzip;q=0"})
        assert ("content-encoding" in packed.headers) == is_large, "from 1 KiB on, quotes included"
        assert "content-encoding" not in plain.headers
        assert "content-encoding" not in refused.headers
        assert plain.headers.get("vary") == packed.headers.get("vary") == ("accept-encoding" if is_large else None)
        assert plain.body == refused.body == (gzip.decompress(packed.body) if is_large else packed.body)


async def test_a_large_body_of_another_kind_is_compressed_too(client: Client) -> None:
    await client.post("/kv/mset", {"pairs": [[f"key-{n}", n] for n in range(500)]})
    packed = await client.request("GET", "/kv/keys", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(packed.body))["keys"]) == 500


async def test_a_declared_charset_may_only_be_utf_8(client: Client) -> None:
    body = '{"key":"a","value":"é"}'
    fine = await client.request("POST", "/kv/set", body.encode(), {"content-type": 'Application/JSON; charset="UTF-8"'})
    assert fine.status == 200
    latin = {**JSON, "content-type": "application/json; charset=latin-1"}
    refused = await client.request("POST", "/kv/set", body.encode("latin-1"), latin)
    assert refusal(refused) == (415, "unsupported_media_type", "content-type")
