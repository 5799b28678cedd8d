"""/kv/value/{key}: a value as a resource, for clients that know HTTP and nothing else."""

import gzip
import json

import pytest

from tests.contract.client import JSON, Client, Reply, refusal

TARGET = "/kv/value/a"
VALUE_MAX_BYTES = 8 * 1024 * 1024


async def put(client: Client, body: bytes, content_type: str | None = None, query: str = "", **headers: str) -> Reply:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        fields["content-type"] = content_type
    return await client.request("PUT", TARGET + query, body, fields)


async def test_put_makes_and_replaces(client: Client) -> None:
    for status, version in ((201, 1), (200, 2)):
        written = await put(client, b"\xff\0\r\n")
        assert (written.status, written.headers["etag"]) == (status, f'"{version}"')
        assert written.json == {"success": True, "key": "a", "written": True, "version": version}
    read = await client.get(TARGET)
    assert (read.status, read.body, read.headers["etag"]) == (200, b"\xff\0\r\n", '"2"')


@pytest.mark.parametrize(
    ("sent_as", "body", "read_as", "value"),
    [
        (None, b"\xff", "application/octet-stream", None),
        ("application/octet-stream", b"", "application/octet-stream", None),
        ("image/png", b"\x89PNG", "application/octet-stream", None),
        ("application/x-www-form-urlencoded", b"a=1", "application/octet-stream", None),
        ("text/plain", "grün".encode(), "text/plain; charset=utf-8", "grün"),
        ("text/plain", b'{"a":1}', "text/plain; charset=utf-8", '{"a":1}'),
        ("text/html; charset=utf-8", b"<b>", "text/plain; charset=utf-8", "<b>"),
        ("application/json", b'{"a": 1.10}', "application/json", {"a": 1.1}),
        ("application/json; charset=utf-8", b"null", "application/json", None),
    ],
)
async def test_the_media_type_as_far_as_a_kind_goes(
    client: Client, sent_as: str | None, body: bytes, read_as: str, value: object
) -> None:
    written = await put(client, body, sent_as)
    assert (written.status, written.headers["etag"]) == (201, '"1"')
    read = await client.get(TARGET)
    assert (read.body, read.headers["content-type"]) == (body, read_as), "octet for octet"
    assert read.headers["x-content-type-options"] == "nosniff"
    other = await client.get("/kv/get/a")
    if read_as == "application/octet-stream":
        assert (other.body, other.headers["content-type"]) == (body, read_as)
    else:
        assert other.json == value, "as /kv/set would have set it"


async def test_a_json_string_is_text(client: Client) -> None:
    written = await put(client, b' "gr\\u00fcn" ', "application/json")
    assert (written.status, "etag" in written.headers) == (201, False), "it is not kept as it was put"
    read = await client.get(TARGET)
    assert (read.body.decode(), read.headers["content-type"]) == ("grün", "text/plain; charset=utf-8")
    assert (await client.get("/kv/get/a")).json == "grün"


@pytest.mark.parametrize(
    ("value", "body", "content_type"),
    [
        ("grün", "grün".encode(), "text/plain; charset=utf-8"),
        ('{"a":1}', b'{"a":1}', "text/plain; charset=utf-8"),
        ({"a": 1}, b'{"a": 1}', "application/json"),
        (None, b"null", "application/json"),
    ],
)
async def test_what_others_set(client: Client, value: object, body: bytes, content_type: str) -> None:
    await client.set("a", value)
    read = await client.get(TARGET)
    assert (read.body, read.headers["content-type"], read.headers["etag"]) == (body, content_type, '"1"')


async def test_the_time_that_is_left(client: Client) -> None:
    await put(client, b"1")
    assert (await client.get(TARGET)).headers["synap-ttl"] == "-1"
    await put(client, b"2", query="?ttl=60.5")
    assert 55 <= int((await client.get(TARGET)).headers["synap-ttl"]) <= 60
    await put(client, b"3")
    assert (await client.get(TARGET)).headers["synap-ttl"] == "-1", "a PUT without ttl clears it, as every set does"


async def test_head_is_get_without_the_value(client: Client) -> None:
    await put(client, b"x" * 2000, query="?ttl=60")
    for headers in ({}, {"accept-encoding": "gzip"}):
        read = await client.request("GET", TARGET, headers=headers)
        head = await client.request("HEAD", TARGET, headers=headers)
        assert (head.status, head.body) == (200, b"")
        for name in ("content-type", "content-length", "content-encoding", "etag", "synap-ttl", "cache-control"):
            assert head.headers.get(name) == read.headers.get(name)
    assert (await client.request("HEAD", "/kv/value/missing")).status == 404


async def test_what_is_missing_is_404(client: Client) -> None:
    for method in ("GET", "DELETE"):
        assert refusal(await client.request(method, TARGET)) == (404, "missing_key", "key")
    await put(client, b"1")
    deleted = await client.delete(TARGET)
    assert (deleted.status, deleted.json) == (200, {"deleted": True, "key": "a"})
    assert refusal(await client.delete(TARGET)) == (404, "missing_key", "key")


async def test_a_reader_that_has_the_value_gets_none(client: Client) -> None:
    etag = (await put(client, b"x" * 2000, query="?ttl=60")).headers["etag"]
    for known in (etag, f"W/{etag}", f'"0", {etag}', "*"):
        read = await client.request("GET", TARGET, headers={"if-none-match": known, "accept-encoding": "gzip"})
        assert (read.status, read.body, read.headers["etag"]) == (304, b"", etag)
        assert "synap-ttl" in read.headers
        assert (await client.request("HEAD", TARGET, headers={"if-none-match": known})).status == 304
    assert (await client.request("GET", TARGET, headers={"if-none-match": '"0"'})).status == 200
    missing = await client.request("GET", "/kv/value/missing", headers={"if-none-match": "*"})
    assert refusal(missing) == (404, "missing_key", "key")


async def test_lost_updates(client: Client) -> None:
    """What If-Match and If-None-Match are there for (RFC 9110, 13.1)."""
    first = await put(client, b"1", if_none_match="*")
    assert first.status == 201
    assert refusal(await put(client, b"2", if_none_match="*")) == (412, "version_mismatch", None)
    second = await put(client, b"2", if_match=first.headers["etag"])
    assert second.status == 200
    lost = await put(client, b"3", if_match=first.headers["etag"])
    assert (refusal(lost), lost.field("current_version")) == ((412, "version_mismatch", None), 2)
    assert (await client.get(TARGET)).body == b"2"


async def test_large_values_are_compressed_where_that_is_accepted(client: Client) -> None:
    await put(client, b"x" * 5000)
    packed = await client.request("GET", TARGET, headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == b"x" * 5000


async def test_the_largest_value(client: Client) -> None:
    assert (await put(client, bytes(VALUE_MAX_BYTES))).status == 201
    assert (await client.get(TARGET)).body == bytes(VALUE_MAX_BYTES)
    refused = await put(client, bytes(VALUE_MAX_BYTES + 1))
    assert refusal(refused) == (413, "too_large", "value")
    assert refused.field("limit") == VALUE_MAX_BYTES
    assert refusal(await put(client, bytes(10 * 1024 * 1024 + 1))) == (413, "too_large", "body")


@pytest.mark.parametrize(
    ("body", "content_type", "field"),
    [
        (b"\xff", "text/plain", "body"),
        (b"{", "application/json", "body"),
        (b"", "application/json", "body"),
        (b'"\\ud800"', "application/json", "body"),
    ],
)
async def test_what_is_not_what_it_is_declared_to_be(
    client: Client, body: bytes, content_type: str, field: str
) -> None:
    assert refusal(await put(client, body, content_type)) == (400, "malformed_request", field)
    assert (await client.get("/kv/stats")).field("seq") == 0


@pytest.mark.parametrize(
    ("headers", "status", "kind", "field"),
    [
        ({"content-type": "text/plain; charset=latin1"}, 415, "unsupported_media_type", "content-type"),
        ({"content-encoding": "gzip"}, 415, "unsupported_media_type", "content-encoding"),
        ({"content-range": "bytes 0-1/5"}, 400, "invalid_parameter", "content-range"),
    ],
)
async def test_what_cannot_be_put(client: Client, headers: dict[str, str], status: int, kind: str, field: str) -> None:
    refused = await client.request("PUT", TARGET, b"1", headers)
    assert refusal(refused) == (status, kind, field)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("?ttl=0", "invalid_ttl"),
        ("?ttl=-1", "invalid_parameter"),
        ("?ttl=soon", "invalid_parameter"),
        ("?ttl=315360001", "invalid_ttl"),
        ("?ttl=1&ttl=2", "invalid_parameter"),
    ],
)
async def test_a_time_that_cannot_be(client: Client, query: str, kind: str) -> None:
    assert refusal(await put(client, b"1", query=query)) == (400, kind, "ttl")
    assert (await client.get("/kv/stats")).field("seq") == 0


async def test_octets_inside_json(client: Client) -> None:
    """Where other values stand beside them, octets are in base64."""
    await put(client, b"\xff")
    assert (await client.post("/kv/mget", {"keys": ["a"]})).json == {"values": [{"base64": "/w=="}]}
    old = await client.request("POST", "/kv/set", json.dumps({"key": "a", "value": 1, "get": True}).encode(), JSON)
    assert old.field("old_value") == {"base64": "/w=="}
