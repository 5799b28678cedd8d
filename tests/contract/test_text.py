"""append, getrange, setrange, strlen, getset, getdel; each before the key and behind it."""

from collections.abc import Callable

import pytest

from tests.contract.client import Client, refusal

VALUE_MAX_BYTES = 8 * 1024 * 1024

Place = Callable[[str], str]


@pytest.fixture(params=["/kv/{}/a", "/kv/a/{}"], ids=["before", "behind"])
def place(request: pytest.FixtureRequest) -> Place:
    """Where an operation stands: before the key or behind it."""
    pattern: str = request.param
    return pattern.format


async def value_of_a(client: Client) -> object:
    return (await client.get("/kv/get/a")).json


async def seconds_left(client: Client) -> int:
    return int(str((await client.get("/kv/ttl/a")).field("ttl")))


# --- append ----------------------------------------------------------------------------------------------


async def test_append(client: Client, place: Place) -> None:
    assert (await client.post(place("append"), {"value": "grün"})).json == {"length": 5}
    assert (await client.post(place("append"), {"value": '"!"'})).json == {"length": 8}
    assert await value_of_a(client) == 'grün"!"', "no quotes are added"
    before = (await client.get("/kv/stats")).field("seq")
    assert (await client.post(place("append"), {"value": ""})).json == {"length": 8}
    assert (await client.get("/kv/stats")).field("seq") == before, "nothing was written"


async def test_append_of_nothing_to_nothing_makes_an_empty_text(client: Client, place: Place) -> None:
    assert (await client.post(place("append"), {"value": ""})).json == {"length": 0}
    assert await value_of_a(client) == ""


async def test_append_makes_text_of_json(client: Client, place: Place) -> None:
    await client.set("a", [1, 2])
    assert (await client.post(place("append"), {"value": "0"})).json == {"length": 7}
    assert await value_of_a(client) == "[1, 2]0"


async def test_append_keeps_the_deadline_and_octets(client: Client, place: Place) -> None:
    await client.request("PUT", "/kv/value/a?ttl=60", b"\xff")
    assert (await client.post(place("append"), {"value": "ü"})).json == {"length": 3}
    assert (await client.get("/kv/get/a")).body == b"\xff\xc3\xbc"
    assert 50 <= await seconds_left(client) <= 60


async def test_append_up_to_the_largest_value(client: Client, place: Place) -> None:
    await client.set("a", "v" * (VALUE_MAX_BYTES - 1))
    assert (await client.post(place("append"), {"value": "v"})).json == {"length": VALUE_MAX_BYTES}
    refused = await client.post(place("append"), {"value": "v"})
    assert refusal(refused) == (413, "too_large", "value")
    assert (refused.field("limit"), refused.field("unit")) == (VALUE_MAX_BYTES, "bytes")
    assert (await client.get("/kv/strlen/a")).json == {"length": VALUE_MAX_BYTES}


# --- setrange --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "body", "after"),
    [
        (None, {"offset": 0, "value": "b"}, "b"),
        (None, {"offset": 3, "value": "b"}, "\0\0\0b"),
        ("hello", {"offset": 0, "value": "J"}, "Jello"),
        ("hello", {"offset": 4, "value": "ow"}, "hellow"),
        ("hello", {"offset": 7, "value": "b"}, "hello\0\0b"),
        ("hüllo", {"offset": 1, "value": "ee"}, "heello"),
        ([1, 2], {"offset": 1, "value": "x"}, "[x, 2]"),
    ],
)
async def test_setrange(client: Client, place: Place, before: object, body: object, after: str) -> None:
    if before is not None:
        await client.set("a", before, ttl=60)
    assert (await client.post(place("setrange"), body)).json == {"length": len(after.encode())}
    assert await value_of_a(client) == after
    assert (await seconds_left(client) >= 50) == (before is not None), "the deadline stays"


async def test_setrange_of_nothing_changes_nothing(client: Client, place: Place) -> None:
    assert (await client.post(place("setrange"), {"offset": 5, "value": ""})).json == {"length": 0}
    assert (await client.get("/kv/exists/a")).json == {"exists": False}
    await client.set("a", [1])
    assert (await client.post(place("setrange"), {"offset": 10**15, "value": ""})).json == {"length": 3}
    assert await value_of_a(client) == [1]


@pytest.mark.parametrize("offset", [0, 1, 2, 3])
async def test_setrange_cuts_no_character_in_two(client: Client, place: Place, offset: int) -> None:
    await client.set("a", "üü")
    refused = await client.post(place("setrange"), {"offset": offset, "value": "x"})
    assert refusal(refused) == (400, "invalid_value", None)
    assert "UTF-8" in str(refused.field("error"))
    assert await value_of_a(client) == "üü"


async def test_setrange_up_to_the_largest_value(client: Client, place: Place) -> None:
    last = {"offset": VALUE_MAX_BYTES - 1, "value": "v"}
    assert (await client.post(place("setrange"), last)).json == {"length": VALUE_MAX_BYTES}
    for offset in (VALUE_MAX_BYTES, 10**15, 10**30):
        refused = await client.post(place("setrange"), {"offset": offset, "value": "v"})
        assert refusal(refused) == (413, "too_large", "value")


# --- getrange and strlen ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("", "grün"),
        ("?start=0&end=0", "g"),
        ("?start=1&end=-1", "rün"),
        ("?start=-1", "n"),
        ("?end=1", "gr"),
        ("?start=2&end=3", "ü"),
        ("?start=2&end=2", "�"),
        ("?start=3", "�n"),
        ("?start=3&end=2", ""),
        ("?start=100", ""),
        ("?start=-100&end=100", "grün"),
        ("?end=-100", ""),
    ],
)
async def test_getrange(client: Client, place: Place, query: str, part: str) -> None:
    await client.set("a", "grün")
    read = await client.get(place("getrange") + query)
    assert (read.status, read.json, read.headers["etag"]) == (200, part, '"1"')


async def test_a_part_of_json_is_text_and_a_part_of_octets_is_octets(client: Client, place: Place) -> None:
    await client.set("a", {"n": [1]})
    assert (await client.get(place("getrange") + "?end=2")).json == '{"n'
    await client.request("PUT", "/kv/value/a", b"\xff\xfe\xfd")
    read = await client.get(place("getrange") + "?start=1")
    assert (read.body, read.headers["content-type"]) == (b"\xfe\xfd", "application/octet-stream")


async def test_nothing_has_no_part_and_no_length(client: Client, place: Place) -> None:
    read = await client.get(place("getrange") + "?start=0&end=5")
    assert (read.status, read.body, "etag" in read.headers) == (200, b'""', False)
    assert (await client.get(place("strlen"))).json == {"length": 0}


@pytest.mark.parametrize(("value", "length"), [("grün", 5), ("", 0), (12.50, 4), ([1, "ü"], 13), (None, 4)])
async def test_strlen(client: Client, place: Place, value: object, length: int) -> None:
    await client.set("a", value)
    assert (await client.get(place("strlen"))).json == {"length": length}


# --- getset and getdel -----------------------------------------------------------------------------------


@pytest.mark.parametrize("old", ["text", "", {"n": 1.5}, None, 0])
async def test_getset(client: Client, place: Place, old: object) -> None:
    assert (await client.post(place("getset"), {"value": old})).json is None
    await client.post("/kv/expire/a", {"ttl": 60})
    was = await client.post(place("getset"), {"value": "new"})
    assert (was.status, was.json, "etag" in was.headers) == (200, old, False)
    assert await value_of_a(client) == "new"
    assert await seconds_left(client) == -1, "the deadline is cleared"


@pytest.mark.parametrize("old", ["text", {"n": 1.5}, None])
async def test_getdel(client: Client, place: Place, old: object) -> None:
    await client.set("a", old)
    was = await client.post(place("getdel"))
    assert (was.status, was.json, "etag" in was.headers) == (200, old, False)
    assert (await client.get("/kv/exists/a")).json == {"exists": False}
    assert (await client.post(place("getdel"))).json is None


async def test_octets_come_back_as_they_were(client: Client, place: Place) -> None:
    for operation, body in (("getset", {"value": 1}), ("getdel", None)):
        await client.request("PUT", "/kv/value/a", b"\xff\0")
        was = await client.post(place(operation), body)
        assert (was.body, was.headers["content-type"]) == (b"\xff\0", "application/octet-stream")


async def test_getset_of_a_value_that_is_too_large(client: Client, place: Place) -> None:
    await client.set("a", "old")
    refused = await client.post(place("getset"), {"value": "v" * (VALUE_MAX_BYTES + 1)})
    assert refusal(refused) == (413, "too_large", "value")
    assert await value_of_a(client) == "old"
