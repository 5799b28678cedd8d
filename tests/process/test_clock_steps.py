"""The wall clock is set while the server runs, and between two runs: nobody's session ends early, or comes back."""

import time
from pathlib import Path

import pytest

from tests.process.expectation import read_entries
from tests.process.harness import MODULE, Client, StartError, has_ticked, wait_until
from tests.process.saboteur import launcher
from tests.process.wall_clock import WallClock, libfaketime

pytestmark = [pytest.mark.process]

HOUR_S = 3600
STEP_S = 10 * HOUR_S

SLACK_MS = 200
"""The server reads two clocks, one after the other; on a busy machine, time passes in between."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return libfaketime(tmp_path_factory.mktemp("faketime") / "clock")


@pytest.fixture
def clock(library: Path, tmp_path: Path) -> WallClock:
    return WallClock(library, tmp_path / "clock")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


class Session:
    """A session that a client has just begun; it knows how long it has left, whatever the clocks say."""

    def __init__(self, client: Client, key: str, ttl_s: float) -> None:
        self.key = key
        self._begun_after_s = time.monotonic()
        assert client.set(key, key, ttl=ttl_s).status == 200
        self._begun_before_s = time.monotonic()
        self._ttl_s = ttl_s

    def check(self, client: Client) -> None:
        """It has as long to live as it should, and lives."""
        asked_s = time.monotonic()
        left_ms = ttl_ms(client, self.key)
        most_ms = (self._ttl_s - (asked_s - self._begun_before_s)) * 1000
        least_ms = (self._ttl_s - (time.monotonic() - self._begun_after_s)) * 1000
        assert least_ms - SLACK_MS <= left_ms <= most_ms + SLACK_MS
        assert client.get(self.key) == self.key or time.monotonic() > self._begun_after_s + self._ttl_s

    def check_end(self, client: Client) -> None:
        """It ends when it should."""
        assert wait_until(lambda: client.get(self.key) is None)
        lived_s = time.monotonic() - self._begun_after_s
        assert lived_s >= self._ttl_s - SLACK_MS / 1000


def ttl_ms(client: Client, key: str) -> int:
    left_ms = client.request("GET", f"/kv/ttl/{key}").field("ttl_ms")
    assert isinstance(left_ms, int)
    return left_ms


# --- while it runs ---------------------------------------------------------------------------------------


def set_while_running(clock: WallClock, data: Path, ahead_s: int, launcher: tuple[str, ...] = MODULE) -> None:
    with clock.server(data, launcher) as server, server.client() as client:
        over = Session(client, "over", 0.3)
        long = Session(client, "long", HOUR_S)
        over.check_end(client)
        brief = Session(client, "brief", 1)

        clock.set(ahead_s)
        long.check(client)
        brief.check(client)
        assert client.get("over") is None
        begun_later = Session(client, "begun-later", HOUR_S)
        assert client.metric("synap_clock_steps_total") == 1
        assert server.output.count("the wall clock was set") == 1

        brief.check_end(client)
        begun_later.check(client)
        long.check(client)
        assert client.get_all(["over", "brief"]) == {}
        assert server.stop() == 0


@pytest.mark.parametrize("ahead_s", [STEP_S, -STEP_S], ids=["forward", "back"])
def test_a_step_changes_nothing_for_anybody(clock: WallClock, data: Path, ahead_s: int) -> None:
    set_while_running(clock, data, ahead_s)


def test_a_server_that_follows_every_step_is_caught(clock: WallClock, data: Path) -> None:
    with pytest.raises(AssertionError):
        set_while_running(clock, data, STEP_S, launcher("believe-the-wall-clock"))


# --- between two runs ------------------------------------------------------------------------------------


def set_between_runs(clock: WallClock, data: Path, launcher: tuple[str, ...] = MODULE) -> None:
    """Three runs: in the second it is two hours later, in the third the clock was set back again."""
    with clock.server(data, launcher) as server, server.client() as client:
        Session(client, "hour", HOUR_S)
        day = Session(client, "day", 24 * HOUR_S)
        assert server.stop() == 0

    clock.set(2 * HOUR_S)
    with clock.server(data, launcher) as server, server.client() as client:
        assert client.get("hour") is None
        left_ms = ttl_ms(client, "day")
        assert 21 * HOUR_S * 1000 < left_ms <= 22 * HOUR_S * 1000
        assert wait_until(lambda: client.metric("synap_expired_keys_total") == 1)
        # What was logged last tells the next run the time.
        assert wait_until(lambda: has_ticked(data))
        server.kill()
    _, end = read_entries(data)

    clock.set(0)
    with clock.server(data, launcher) as server, server.client() as client:
        assert client.get("hour") is None
        assert ttl_ms(client, "day") <= left_ms
        assert client.get("day") == day.key
        Session(client, "begun-later", 1).check_end(client)
        assert "the wall clock is behind the log" in server.output
        assert server.stop() == 0
    assert read_entries(data)[1].wall_ms > end.wall_ms


def test_deadlines_outlast_restarts_and_time_does_not_go_back(clock: WallClock, data: Path) -> None:
    set_between_runs(clock, data)


def test_a_server_whose_time_goes_back_is_caught(clock: WallClock, data: Path) -> None:
    with pytest.raises((AssertionError, StartError)):
        set_between_runs(clock, data, launcher("believe-the-wall-clock"))
