"""POST /snapshot and GET /snapshots, with a store on disk, with snapshots off, and with nothing kept at all."""

import re
import sys
from pathlib import Path

import pytest
import trio
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from synap.config import PersistenceSettings, Settings, SnapshotSettings, WalSettings
from tests.contract.client import Client, refusal

FIELDS = {"path", "size_bytes", "created_at", "seq", "entries"}
METRICS = {
    "synap_snapshot_age_seconds": "gauge",
    "synap_snapshot_seq": "gauge",
    "synap_snapshot_bytes": "gauge",
    "synap_snapshots": "counter",
    "synap_snapshot_duration_seconds": "histogram",
    "synap_wal_disk_bytes": "gauge",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "data" / "snapshot"


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def listed(client: Client) -> list[dict[str, object]]:
    reply = await client.get("/snapshots")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    found = reply.field("snapshots")
    assert isinstance(found, list)
    return found


# --- a store on disk -------------------------------------------------------------------------------------


async def test_one_is_taken_and_listed(client: Client, place: Path) -> None:
    assert await listed(client) == []
    await client.set("a", "1")
    await client.set("b", "2", ttl=3600)
    taken = await client.post("/snapshot")
    path = place / f"{2:020d}.snap"
    message = "the state after seq 2 is on the disk: 2 keys"
    assert (taken.status, taken.json) == (
        200,
        {"success": True, "message": message, "snapshot_path": str(path), "seq": 2},
    )
    (found,) = await listed(client)
    assert set(found) == FIELDS
    assert (found["path"], found["seq"], found["entries"]) == (str(path), 2, 2)
    assert found["size_bytes"] == len(await trio.Path(path).read_bytes())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(found["created_at"]))


async def test_where_nothing_happened_it_is_the_same_one(client: Client) -> None:
    await client.set("a", "1")
    first = await client.post("/snapshot")
    assert (await client.post("/snapshot")).json == first.json
    assert len(await listed(client)) == 1


async def test_of_an_empty_store(client: Client) -> None:
    assert (await client.post("/snapshot")).field("seq") == 0
    assert [(found["seq"], found["entries"]) for found in await listed(client)] == [(0, 0)]


async def test_two_are_kept_oldest_first(client: Client, place: Path) -> None:
    for number in range(1, 5):
        await client.set("a", number)
        assert (await client.post("/snapshot")).field("seq") == number
    assert [found["seq"] for found in await listed(client)] == [3, 4]
    assert names(place) == [f"{seq:020d}.snap" for seq in (3, 4)]
    assert names(place.parent / "wal") == [f"{seq:020d}.wal" for seq in (4, 5)]


async def test_many_at_once_while_others_write(client: Client) -> None:
    """Each holds all that its client has seen acknowledged; nobody waits for more folds than his own."""
    taken: list[tuple[int, int]] = []

    async def write_and_take(number: int) -> None:
        mine = Client(client.port)
        for _ in range(3):
            version = (await mine.set(f"key{number}", number)).field("version")
            reply = await mine.post("/snapshot")
            assert reply.status == 200, reply
            seq = reply.field("seq")
            assert isinstance(version, int)
            assert isinstance(seq, int)
            taken.append((version, seq))
        await mine.aclose()

    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(write_and_take, number)
    assert len(taken) == 18
    assert all(seq >= version for version, seq in taken)
    assert len({seq for _, seq in taken}) < 18, "who asks at the same time shares one"
    seqs = [found["seq"] for found in await listed(client)]
    assert seqs == sorted({seq for _, seq in taken})[-2:]


async def test_the_metrics_tell_of_it(client: Client) -> None:
    async def read() -> dict[str, tuple[str, list[float]]]:
        text = (await client.get("/metrics")).body.decode()
        families = text_string_to_metric_families(text)
        return {family.name: (family.type, [each.value for each in family.samples]) for family in families}

    before = await read()
    gauges = {"synap_snapshot_age_seconds", "synap_snapshot_seq", "synap_snapshot_bytes"}
    assert METRICS.keys() - before.keys() == gauges, "there is none yet"
    await client.set("a", "1")
    await client.post("/snapshot")
    after = await read()
    assert {name: after[name][0] for name in METRICS} == METRICS
    (found,) = await listed(client)
    assert after["synap_snapshot_seq"][1] == [1]
    assert after["synap_snapshot_bytes"][1] == [found["size_bytes"]]
    assert 0 <= after["synap_snapshot_age_seconds"][1][0] < 60
    assert after["synap_snapshots"][1] == [1, 0], "one is taken, none has failed"


# --- how one asks ----------------------------------------------------------------------------------------


async def test_methods(client: Client) -> None:
    for method, target, allowed in (("GET", "/snapshot", "POST"), ("POST", "/snapshots", "GET, HEAD")):
        reply = await client.request(method, target)
        assert (refusal(reply)[:2], reply.headers["allow"]) == ((405, "method_not_allowed"), allowed)


async def test_head(client: Client) -> None:
    await client.post("/snapshot")
    read, head = await client.get("/snapshots"), await client.request("HEAD", "/snapshots")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(read.body))


@pytest.mark.parametrize("body", [None, b"", b"{}", b"not JSON"])
async def test_a_body_is_of_no_interest(client: Client, body: bytes | None) -> None:
    assert (await client.request("POST", "/snapshot", body)).status == 200


async def test_what_went_wrong_is_not_for_everybody(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of the program says it; whoever asks learns that there is no snapshot, and that nothing is lost."""
    await client.set("a", "1")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/nowhere/python")
        reply = await client.post("/snapshot")
    assert refusal(reply)[:2] == (500, "snapshot_failed")
    assert reply.field("outcome") == "not_written"
    assert reply.field("error") == "no snapshot was taken; the log has everything; nothing was written"
    assert await listed(client) == []
    assert (await client.get("/kv/get/a")).json == "1"
    assert (await client.post("/snapshot")).field("seq") == 1


# --- without ---------------------------------------------------------------------------------------------


async def assert_off(client: Client, reason: str) -> None:
    await client.set("a", "1")
    reply = await client.post("/snapshot")
    assert refusal(reply) == (409, "snapshots_off", None)
    assert reply.field("error") == reason
    assert await listed(client) == []
    assert "synap_snapshot_age_seconds" not in (await client.get("/metrics")).body.decode()


class TestSwitchedOff:
    """``persistence.snapshot.enabled: false``."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        persistence = structs.replace(settings.persistence, snapshot=SnapshotSettings(enabled=False))
        return structs.replace(settings, persistence=persistence)

    async def test_it_says_which_setting_it_is(self, client: Client) -> None:
        await assert_off(client, "snapshots are off: persistence.snapshot.enabled is false")


class TestNothingKept:
    """Without persistence, or without its log."""

    @pytest.fixture(params=[{"enabled": False}, {"wal": WalSettings(enabled=False)}], ids=["persistence", "log"])
    def settings(self, settings: Settings, request: pytest.FixtureRequest) -> Settings:
        return structs.replace(settings, persistence=PersistenceSettings(**request.param))

    async def test_it_says_so(self, client: Client) -> None:
        await assert_off(client, "nothing is kept on disk, so there are no snapshots")
