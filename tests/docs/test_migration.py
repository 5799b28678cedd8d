"""From Redis: the tool that copies, against a real one; and what the page says of the differences."""

import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.differential.differences import DIFFERENCES, PATTERNS
from tests.differential.resp import EXECUTABLE, Redis, serving_redis
from tests.docs.asking import ask
from tests.docs.markdown import DOCS, ROOT, blocks, read
from tests.docs.reader import Reader
from tests.process.harness import Server, clean_environment

TOOL = ROOT / "examples" / "migrate-from-redis" / "copy_from_redis.py"
PAGE = DOCS / "migration-from-redis.md"

pytestmark = [pytest.mark.process]


@pytest.fixture(scope="module")
def library() -> object:
    """The client of Redis that the tool needs."""
    return pytest.importorskip("redis", reason="the library redis is not installed")


@pytest.fixture
def redis(library: object) -> Iterator[Redis]:
    if EXECUTABLE is None:
        pytest.skip("redis-server is not installed")
    with serving_redis() as redis:
        yield redis


@pytest.fixture
def synap(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "data") as server:
        yield server


def socket_of(redis: Redis) -> str:
    """Where the server of Redis is, as it says itself."""
    reply = redis.ask("CONFIG", "GET", "unixsocket")
    assert isinstance(reply, list)
    path = reply[1]
    assert isinstance(path, bytes)
    return f"unix://{path.decode()}"


def copy(redis: Redis, synap: Server, place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the tool as a user does."""
    given = ["--redis", socket_of(redis), "--synap", f"http://127.0.0.1:{synap.port}", *options]
    return subprocess.run(  # noqa: S603  # our own tool
        [sys.executable, str(TOOL), *given],
        cwd=place,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def value_of(synap: Server, key: str) -> tuple[int, str]:
    return ask(synap.port, "GET", f"/kv/value/{key}")


def left_ms(synap: Server, key: str) -> int:
    _, text = ask(synap.port, "GET", f"/kv/ttl/{key}")
    return int(text.rpartition(":")[2].rstrip("}"))


def test_text_and_octets_with_the_time_they_have_left(redis: Redis, synap: Server, tmp_path: Path) -> None:
    redis.ask("SET", "session:text", '{"user": "Zoë"}', "PX", 3_600_000)
    redis.ask("SET", "session:octets", b"\x80\x04pickle", "PX", 60_000)
    redis.ask("SET", "session:forever", "x")
    redis.ask("SET", "other", "x")
    redis.ask("RPUSH", "session:list", "a")
    redis.ask("SET", b"session:\xff", "x")
    redis.ask("SET", "session:large", "x" * (8 * 2**20 + 1))
    done = copy(redis, synap, tmp_path, "--match", "session:*")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "3 copied, 0 there already, 3 skipped",
        "    skipped 1: Synap refuses it: too_large",
        "    skipped 1: a list has no counterpart; store it as JSON",
        "    skipped 1: the key is not UTF-8",
    ]
    assert value_of(synap, "session:text") == (200, '{"user": "Zoë"}')
    assert ask(synap.port, "GET", "/kv/get/session:text")[1] == r'"{\"user\": \"Zoë\"}"'
    assert ask(synap.port, "GET", "/kv/count")[1] == '{"count":3}'
    assert left_ms(synap, "session:forever") == -1
    for key in ("session:text", "session:octets"):
        there = redis.ask("PTTL", key)
        here = left_ms(synap, key)
        assert isinstance(there, int)
        assert there - 2_000 < here <= there + 2_000
    assert [path.name for path in tmp_path.iterdir()] == ["data"], "nothing is left to go on with"


def test_what_synap_has_is_newer(redis: Redis, synap: Server, tmp_path: Path) -> None:
    redis.ask("SET", "a", "old")
    redis.ask("SET", "b", "old")
    ask(synap.port, "POST", "/kv/set", {"key": "a", "value": "new"})
    assert copy(redis, synap, tmp_path).stdout == "1 copied, 1 there already, 0 skipped\n"
    assert value_of(synap, "a") == (200, "new")
    assert copy(redis, synap, tmp_path, "--overwrite").stdout == "2 copied, 0 there already, 0 skipped\n"
    assert value_of(synap, "a") == (200, "old")


def test_it_goes_on_where_it_was_interrupted(redis: Redis, synap: Server, tmp_path: Path) -> None:
    for number in range(1_500):
        redis.ask("SET", f"session:{number}", str(number), "EX", 3600)
    # Small ones, so that it takes far longer than it takes to notice that it has begun.
    options = ("--batch", "5")
    state = tmp_path / "copy_from_redis.state"
    command = [sys.executable, str(TOOL), "--redis", socket_of(redis), "--synap", f"http://127.0.0.1:{synap.port}"]
    running = subprocess.Popen([*command, *options], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S603
    give_up_s = time.monotonic() + 60
    while not state.exists() and time.monotonic() < give_up_s:
        time.sleep(0.005)
    running.kill()
    running.communicate()
    assert state.exists()
    done = copy(redis, synap, tmp_path, *options)
    assert done.returncode == 0, done.stdout
    copied = int(done.stdout.split()[0].replace(",", ""))
    assert copied < 1_500, "what the first run copied is not copied again"
    assert ask(synap.port, "GET", "/kv/count")[1] == '{"count":1500}'
    assert not state.exists()


def test_a_place_in_another_redis_means_nothing(redis: Redis, synap: Server, tmp_path: Path) -> None:
    redis.ask("SET", "a", "x")
    state = tmp_path / "copy_from_redis.state"
    state.write_text('{"run_id": "another", "match": "*", "cursor": 4711}')
    assert copy(redis, synap, tmp_path).stdout.startswith("1 copied")


def test_a_store_that_is_away(redis: Redis, synap: Server, tmp_path: Path) -> None:
    redis.ask("SET", "a", "x")
    synap.kill()
    done = copy(redis, synap, tmp_path)
    assert done.returncode == 1
    assert "interrupted: " in done.stdout
    assert not done.stderr


def test_keys_are_shown_only_when_asked_for(redis: Redis, synap: Server, tmp_path: Path) -> None:
    redis.ask("RPUSH", "secret", "a")
    assert "secret" not in copy(redis, synap, tmp_path).stdout
    assert "b'secret'" in copy(redis, synap, tmp_path, "--show-keys").stdout


# --- the page --------------------------------------------------------------------------------------------


def test_every_difference_is_told() -> None:
    page = " ".join(read(PAGE).split())
    reasons = [*(each.reason for each in DIFFERENCES), *(each.reason for each in PATTERNS)]
    assert [reason for reason in reasons if reason not in page] == []


def test_what_the_page_shows(redis: Redis, synap: Server, tmp_path: Path) -> None:
    """The second read: a session of Redis is found, comes over with its time to live, and ends in both."""
    reader = Reader(tmp_path / "reader")
    reader.server = synap
    other = import_module("redis").Redis.from_url(socket_of(redis))
    reader.defined["redis"] = other
    for block in blocks(PAGE):
        if block.language == "python":
            reader.follow(block)
    session_of, log_out = reader.defined["session_of"], reader.defined["log_out"]
    redis.ask("SET", "session:old", "was in Redis", "PX", 60_000)
    assert session_of("old") == b"was in Redis"
    assert 55_000 < left_ms(synap, "session:old") <= 60_000
    redis.ask("SET", "session:old", "changed")
    assert session_of("old") == b"was in Redis", "what Synap has counts"
    log_out("old")
    assert session_of("old") is None
    other.close()
    reader.defined["client"].close()


def test_the_tool_has_the_options_of_the_page(library: object) -> None:
    shown = subprocess.run(  # noqa: S603  # our own tool
        [sys.executable, str(TOOL), "--help"], capture_output=True, text=True, check=True, env=clean_environment()
    ).stdout
    for option in ("--redis", "--synap", "--match", "--overwrite", "--show-keys", "--state", "--api-key"):
        assert option in shown
        assert f"`{option}" in read(PAGE)
