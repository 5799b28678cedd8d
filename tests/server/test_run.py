"""The order in which the server starts and stops, in this process; what takes a process of its own is elsewhere."""

import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import httpx
import msgspec
import pytest
import structlog
import trio

import synap
from synap.accounts import ApiKeySettings, AuthenticationSettings
from synap.config import KvStoreSettings, PersistenceSettings, ServerSettings, Settings, SnapshotSettings, WalSettings
from synap.datadir import DataDirectory
from synap.errors import AddressInUseError, DamagedError, DataDirectoryLockedError, LogFailedError
from synap.fs import RealFileSystem
from synap.server import listener as listener_module
from synap.server import run as run_module
from synap.server.run import open_directory, serve
from synap.store import SnapshotOptions, Store, open_store
from synap.tasks import open_tasks
from tests.server.support import LIMIT_S, until
from tests.stores import Scene, two_snapshots

Lines = list[MutableMapping[str, object]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is logged."""
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(server=ServerSettings(port=0), persistence=PersistenceSettings(directory=str(tmp_path / "data")))


class Serving:
    """A server that runs; ``ended`` is set when it has returned."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.ended = trio.Event()

    async def until_ready(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, verify=False) as client:  # noqa: S501
            with trio.fail_after(20):
                while (await client.get("/ready")).status_code != 200:  # noqa: ASYNC110  # nobody else could tell
                    await trio.sleep(0.002)

    async def until_ended(self) -> None:
        with trio.fail_after(20):
            await self.ended.wait()


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Serving]:
    async with trio.open_nursery() as nursery:
        started = trio.Event()
        served: list[Serving] = []

        async def watch() -> None:
            async with trio.open_nursery() as inner:
                served.append(Serving(await inner.start(serve, settings)))
                started.set()
            served[0].ended.set()

        nursery.start_soon(watch)
        await started.wait()
        yield served[0]
        nursery.cancel_scope.cancel()


def tell(number: signal.Signals) -> None:
    """Send a signal to the server, which is this process."""
    os.kill(os.getpid(), number)


async def test_start_and_stop(settings: Settings, lines: Lines) -> None:
    async with serving(settings) as server:
        await server.until_ready()
        async with httpx.AsyncClient(base_url=server.url, verify=False) as client:  # noqa: S501
            await client.post("/kv/set", json={"key": "a", "value": "b"})
        tell(signal.SIGTERM)
        await server.until_ended()
    greeting, stopping, stopped = lines
    data = settings.persistence.directory
    assert str(greeting["event"]).startswith(
        f"Synap {synap.__version__} serves {server.url}: data in {data}, fsync always, 0 keys recovered in "
    )
    assert (greeting["events"], greeting["segments"], greeting["clean_stop"]) == (0, 1, True)
    assert (stopping["event"], stopping["signal"]) == ("stopping", "SIGTERM")
    assert (stopped["event"], stopped["seq"]) == ("stopped; everything is on the disk", 1)


async def test_what_was_written_is_there_again(settings: Settings, lines: Lines) -> None:
    for found in (None, "b"):
        async with serving(settings) as server:
            await server.until_ready()
            async with httpx.AsyncClient(base_url=server.url, verify=False) as client:  # noqa: S501
                assert (await client.get("/kv/get/a")).json() == found
                await client.post("/kv/set", json={"key": "a", "value": "b"})
            tell(signal.SIGINT)
            await server.until_ended()
    greetings = [line for line in lines if "serves" in str(line["event"])]
    assert [greeting["events"] for greeting in greetings] == [0, 1]


async def test_without_persistence_nothing_is_kept(tmp_path: Path, lines: Lines) -> None:
    persistence = PersistenceSettings(directory=str(tmp_path / "data"), wal=WalSettings(enabled=False))
    async with serving(Settings(server=ServerSettings(port=0), persistence=persistence)) as server:
        await server.until_ready()
        tell(signal.SIGTERM)
        await server.until_ended()
    assert lines[0]["log_level"] == "warning"
    assert str(lines[0]["event"]).endswith("nothing is kept over its end")
    assert not (tmp_path / "data").exists()


async def test_a_second_server_learns_of_the_directory_before_the_port(settings: Settings, lines: Lines) -> None:
    async with serving(settings) as server:
        await server.until_ready()
        port = int(server.url.rpartition(":")[2])
        taken = Settings(server=ServerSettings(port=port), persistence=settings.persistence)
        with pytest.raises(DataDirectoryLockedError) as caught:
            await serve(taken)
        assert caught.value.pid == os.getpid()


async def test_a_port_that_is_taken_lets_go_of_the_directory(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = ServerSettings(port=taken.getsockname()[1])
        with pytest.raises(AddressInUseError):
            await serve(Settings(server=server, persistence=settings.persistence))
    directory = open_directory(settings)
    assert directory is not None
    directory.close()


class SlowStart:
    """Recovery that waits until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open_store = open_store
        self.fails_with: Exception | None = None
        self.begun, self.go_on = trio.Event(), trio.Event()
        monkeypatch.setattr(run_module, "open_store", self)

    def __call__(self, directory: DataDirectory, *arguments: object, **options: object) -> object:
        on_progress = options["on_progress"]
        assert callable(on_progress)
        on_progress(0.5)
        trio.from_thread.run_sync(self.begun.set)
        trio.from_thread.run(self.go_on.wait)
        if self.fails_with is not None:
            raise self.fails_with
        return self._open_store(directory, *arguments, **options)  # type: ignore[arg-type]


@pytest.fixture
def slow_start(monkeypatch: pytest.MonkeyPatch) -> SlowStart:
    return SlowStart(monkeypatch)


async def test_it_answers_while_it_recovers(settings: Settings, slow_start: SlowStart, lines: Lines) -> None:
    async with serving(settings) as server, httpx.AsyncClient(base_url=server.url, verify=False) as client:  # noqa: S501
        await slow_start.begun.wait()
        ready = await client.get("/ready")
        assert (ready.status_code, ready.headers["retry-after"]) == (503, "1")
        assert ready.json()["recovery_percent"] == 50.0
        refused = await client.get("/kv/get/a")
        assert (refused.status_code, refused.json()["outcome"]) == (503, "not_written")
        assert refused.headers["retry-after"] == "1"
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/kv/stats")).json()["total_keys"] == 0
        assert (await client.get("/metrics")).status_code == 200
        slow_start.go_on.set()
        await server.until_ready()


async def test_a_signal_while_it_recovers_ends_it_at_once(
    settings: Settings, slow_start: SlowStart, lines: Lines
) -> None:
    async with serving(settings) as server:
        await slow_start.begun.wait()
        tell(signal.SIGTERM)
        await server.until_ended()
    assert [(line["event"], line["signal"]) for line in lines] == [("ending at once", "SIGTERM")]


async def test_damage_ends_it(settings: Settings, slow_start: SlowStart) -> None:
    slow_start.fails_with = DamagedError(Path("x.wal"), "it is", seq=7)
    slow_start.go_on.set()
    with pytest.raises(DamagedError), trio.fail_after(20):
        await serve(settings)
    directory = open_directory(settings)
    assert directory is not None, "the lock is free again"
    directory.close()


async def test_a_second_signal_ends_it_at_once(
    settings: Settings, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "STOP_GRACE_S", 3 * LIMIT_S)
    async with serving(settings) as server:
        await server.until_ready()
        host, port = server.url.removeprefix("http://").split(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            # A request under way would keep the server for the whole grace.
            head = b"POST /kv/set HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n"
            await stream.send_all(head)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 100")
            tell(signal.SIGTERM)
            with trio.fail_after(LIMIT_S):
                await until(lambda: lines[-1]["event"] == "stopping")
                tell(signal.SIGINT)
                await server.ended.wait()
    assert [line["event"] for line in lines[1:]] == ["stopping", "ending at once"]


async def test_a_failed_log_ends_it(settings: Settings, monkeypatch: pytest.MonkeyPatch, lines: Lines) -> None:
    """Whoever waits is told that nothing is known; nothing is sealed; the error decides the exit code."""
    closed: list[Store] = []
    monkeypatch.setattr(Store, "close", closed.append)

    async def ask(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, verify=False) as client:  # noqa: S501
            await client.post("/kv/set", json={"key": "a", "value": "b"})
            monkeypatch.setattr(os, "fdatasync", _fail)
            refused = await client.post("/kv/set", json={"key": "a", "value": "c"})
            assert (refused.status_code, refused.json()["type"]) == (500, "log_failed")
            assert refused.json()["outcome"] == "unknown"
            with contextlib.suppress(httpx.HTTPError):
                later = await client.post("/kv/set", json={"key": "a", "value": "d"})
                assert (later.status_code, later.json()["outcome"]) == (503, "not_written")

    async def run() -> None:
        async with open_tasks() as nursery:
            url = await nursery.start(serve, settings)
            await Serving(url).until_ready()
            await ask(url)

    with pytest.raises(LogFailedError), trio.fail_after(LIMIT_S):
        await run()
    assert closed == []
    assert lines[-1]["log_level"] == "critical"
    assert "recovery reads what the disk holds" in str(lines[-1]["event"])


def _fail(_: int) -> None:
    raise OSError(5, "Input/output error")


async def test_a_torn_tail_is_reported(settings: Settings, lines: Lines) -> None:
    async with serving(settings) as server:
        await server.until_ready()
        async with httpx.AsyncClient(base_url=server.url, verify=False) as client:  # noqa: S501
            await client.post("/kv/set", json={"key": "a", "value": "b"})
            await client.post("/kv/set", json={"key": "a", "value": "c"})
    _tear(Path(settings.persistence.directory))
    lines.clear()
    async with serving(settings) as server:
        await server.until_ready()
        async with httpx.AsyncClient(base_url=server.url, verify=False) as client:  # noqa: S501
            assert (await client.get("/kv/get/a")).json() == "b"
            assert "synap_wal_torn_tails_total 1.0" in (await client.get("/metrics")).text
    assert lines[0]["log_level"] == "warning"
    assert "never finished" in str(lines[0]["event"])
    assert _size_bytes(str(lines[0]["copy"])) == lines[0]["torn_bytes"]


def _tear(directory: Path) -> None:
    """Take the last byte of the log away."""
    segment = max(directory.joinpath("wal").glob("*.wal"))
    segment.write_bytes(segment.read_bytes()[:-1])


def _size_bytes(path: str) -> int:
    return Path(path).stat().st_size


async def test_a_damaged_snapshot_is_reported(settings: Settings, lines: Lines) -> None:
    scene = two_snapshots(RealFileSystem(), Path(settings.persistence.directory))
    newest = scene.snapshot_path(16)
    newest.write_bytes(newest.read_bytes()[:-1])
    async with serving(settings) as server:
        await server.until_ready()
    complaint, greeting = lines[:2]
    assert complaint["log_level"] == "error"
    assert str(newest) in str(complaint["why"])
    assert _size_bytes(str(complaint["now"])) > 0
    assert (greeting["snapshot_seq"], greeting["events"]) == (8, 18)


async def test_a_state_that_the_log_does_not_make_is_reported(settings: Settings, lines: Lines) -> None:
    Scene(RealFileSystem(), Path(settings.persistence.directory)).fill(2).rotate(b"z" * 16).fill(2)
    async with serving(settings) as server:
        await server.until_ready()
        async with httpx.AsyncClient(base_url=server.url, verify=False) as client:  # noqa: S501
            assert "synap_strange_states_total 1.0" in (await client.get("/metrics")).text
    complaint, greeting = lines[:2]
    assert (complaint["log_level"], complaint["seq"]) == ("error", 4)
    assert (greeting["snapshot_seq"], greeting["events"]) == (None, 8)


def test_every_setting_of_snapshots_arrives() -> None:
    settings = PersistenceSettings(
        wal=WalSettings(retention_secs=7),
        snapshot=SnapshotSettings(
            enabled=False,
            auto_snapshot=False,
            interval_secs=60,
            operation_threshold=5,
            log_size_mb=3,
            keep_count=4,
        ),
    )
    assert run_module._snapshot_options(settings) == SnapshotOptions(
        enabled=False,
        automatic=False,
        log_max_bytes=3 * 1024 * 1024,
        events_max=5,
        age_max_s=60,
        keep_count=4,
        retention_s=7,
    )
    assert run_module._snapshot_options(PersistenceSettings()) == SnapshotOptions()


def test_limits_of_descriptors_are_reported(monkeypatch: pytest.MonkeyPatch, lines: Lines) -> None:
    monkeypatch.setattr(run_module, "room_for_connections", lambda _: 5)
    assert run_module._max_connections(10) == 5
    assert lines[0]["connections"] == 5
    assert run_module._max_connections(5) == 5
    assert len(lines) == 1


# --- who may come in -------------------------------------------------------------------------------------


def at(host: str, settings: Settings, authentication: AuthenticationSettings) -> Settings:
    return msgspec.structs.replace(settings, server=ServerSettings(host=host, port=0), authentication=authentication)


async def test_everybody_everywhere_is_warned_of(settings: Settings, lines: Lines) -> None:
    async with serving(at("0.0.0.0", settings, AuthenticationSettings())):  # noqa: S104
        pass
    [warning] = [line for line in lines if line["log_level"] == "warning"]
    assert "anybody who reaches this address may read and change everything" in str(warning["event"])
    assert "enable authentication in the settings, or listen on 127.0.0.1" in str(warning["event"])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_everybody_on_this_machine_is_not(host: str, settings: Settings, lines: Lines) -> None:
    async with serving(at(host, settings, AuthenticationSettings())):
        pass
    assert [line for line in lines if "anybody" in str(line["event"])] == []


async def test_keys_that_have_expired_are_warned_of(settings: Settings, lines: Lines) -> None:
    """But do not keep the server from starting: the others have their keys still."""
    old = ApiKeySettings("old", "reader", key="old-key" * 5, created=date(2020, 1, 1), expires_days=1)
    new = ApiKeySettings("new", "reader", key="new-key" * 5)
    authentication = AuthenticationSettings(enabled=True, api_keys=(old, new))
    async with serving(at("0.0.0.0", settings, authentication)) as server:  # noqa: S104
        url = server.url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        async with httpx.AsyncClient(base_url=url, verify=False) as client:  # noqa: S501
            for key, status in (("old-key" * 5, 401), ("new-key" * 5, 200)):
                assert (await client.get("/metrics", headers={"x-api-key": key})).status_code == status
    warnings = [line for line in lines if line["log_level"] == "warning"]
    assert [(line["event"], line["name"]) for line in warnings] == [("an API key has expired", "old")]


async def test_keys_that_may_be_guessed_are_warned_of(settings: Settings, lines: Lines) -> None:
    short, long = ApiKeySettings("a", "reader", key="hunter2"), ApiKeySettings("b", "reader", key="k" * 32)
    async with serving(at("127.0.0.1", settings, AuthenticationSettings(enabled=True, api_keys=(short, long)))):
        pass
    [warning] = [line for line in lines if line["log_level"] == "warning"]
    assert warning["name"] == "a"
    assert "so short that it may be guessed" in str(warning["event"])
    assert "hunter2" not in str(lines)


@pytest.mark.parametrize("max_memory_mb", [None, 0])
async def test_a_policy_that_nothing_makes_use_of_is_warned_of(
    settings: Settings, lines: Lines, max_memory_mb: int | None
) -> None:
    kv_store = KvStoreSettings(max_memory_mb=max_memory_mb, eviction_policy="lru")
    async with serving(msgspec.structs.replace(settings, kv_store=kv_store)):
        pass
    [warning] = [line for line in lines if line["log_level"] == "warning"]
    assert "no kv_store.max_memory_mb, so nothing is ever evicted" in str(warning["event"])
