"""incr, decr, incrby, decrby."""

import pytest

from tests.contract.client import Client, refusal

HIGHEST, LOWEST = 2**63 - 1, -(2**63)


@pytest.mark.parametrize(
    ("route", "body", "values"),
    [
        ("incr", None, [1, 2, 3]),
        ("decr", None, [-1, -2, -3]),
        ("incrby", {"amount": 10}, [10, 20, 30]),
        ("incrby", {"amount": -10}, [-10, -20, -30]),
        ("decrby", {"amount": 10}, [-10, -20, -30]),
        ("incrby", {"amount": 0}, [0, 0, 0]),
    ],
)
async def test_counting_from_0(client: Client, route: str, body: object, values: list[int]) -> None:
    for value in values:
        assert (await client.post(f"/kv/{route}/a", body)).json == {"value": value}
    read = await client.get("/kv/get/a")
    assert (read.json, read.headers["etag"]) == (values[-1], '"3"'), "a number, which nobody has put in quotes"


@pytest.mark.parametrize(("written", "read"), [("41", "42"), (41, 42), ("-1", "0")])
async def test_a_number_stays_text_or_json_as_it_was_set(client: Client, written: object, read: object) -> None:
    await client.set("a", written)
    assert (await client.post("/kv/incr/a")).json == {"value": int(str(read))}
    assert (await client.get("/kv/get/a")).json == read


async def test_the_deadline_stays(client: Client) -> None:
    await client.set("a", 1, ttl=60)
    await client.post("/kv/incr/a")
    await client.post("/kv/decrby/a", {"amount": 7})
    assert 50 <= int(str((await client.get("/kv/ttl/a")).field("ttl"))) <= 60


@pytest.mark.parametrize(
    "value", ["", "one", " 1", "1 ", "+1", "01", "-0", "1.0", 1.5, [1], {"a": 1}, None, True, str(HIGHEST + 1)]
)
async def test_what_is_no_integer_stays_as_it_is(client: Client, value: object) -> None:
    await client.set("a", value)
    for route, body in (("incr", None), ("decr", None), ("incrby", {"amount": 1}), ("decrby", {"amount": 1})):
        refused = await client.post(f"/kv/{route}/a", body)
        assert refusal(refused) == (400, "invalid_value", None)
    read = await client.get("/kv/get/a")
    assert (read.json, read.headers["etag"]) == (value, '"1"')


async def test_octets_are_no_integer(client: Client) -> None:
    await client.request("PUT", "/kv/value/a", b"1")
    assert refusal(await client.post("/kv/incr/a")) == (400, "invalid_value", None)


@pytest.mark.parametrize(
    ("value", "route", "amount"),
    [
        (HIGHEST, "incrby", 1),
        (LOWEST, "decrby", 1),
        (1, "incrby", HIGHEST),
        (0, "decrby", LOWEST),
        (-2, "incrby", LOWEST),
    ],
)
async def test_over_64_bits_is_refused_and_the_number_stays(
    client: Client, value: int, route: str, amount: int
) -> None:
    await client.set("a", value)
    assert refusal(await client.post(f"/kv/{route}/a", {"amount": amount})) == (400, "invalid_value", None)
    assert (await client.get("/kv/get/a")).body == str(value).encode()


@pytest.mark.parametrize(("value", "route", "sum_"), [(HIGHEST - 1, "incr", HIGHEST), (LOWEST + 1, "decr", LOWEST)])
async def test_the_last_number_of_64_bits(client: Client, value: int, route: str, sum_: int) -> None:
    await client.set("a", value)
    assert (await client.post(f"/kv/{route}/a")).body == b'{"value":%d}' % sum_
