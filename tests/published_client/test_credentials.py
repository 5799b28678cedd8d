"""The published client's ways to say who it is."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.harness import START_LIMIT_S, Server, clean_environment
from tests.published_client.published import PublishedClient, RaisedError

pytestmark = pytest.mark.process

API_KEY = "an-api-key-for-the-tests"
PASSWORD = "a password for the tests"  # noqa: S105  # of no server but this one

CONFIG = """
authentication:
  enabled: true
  users:
    - {{username: ada, password_hash: "{password_hash}", role: writer}}
  api_keys:
    - {{name: application, key: {api_key}, role: writer, prefixes: ["session:"]}}
"""


def hash_of(password: str) -> str:
    """As an operator makes it."""
    done = subprocess.run(
        [sys.executable, "-m", "synap", "hash-password"],
        env=clean_environment(),
        input=password + "\n",
        capture_output=True,
        text=True,
        timeout=START_LIMIT_S,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def url(published_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("guarded")
    config = directory / "synap.yml"
    config.write_text(CONFIG.format(password_hash=hash_of(PASSWORD), api_key=API_KEY))
    with Server(directory / "data", "--config", str(config)) as server:
        yield f"http://127.0.0.1:{server.port}"


def test_api_key(published_python: Path, url: str) -> None:
    client = PublishedClient(published_python, url, auth_token=API_KEY)
    client.call("kv.set", "session:a", "x")
    assert client.call("kv.get", "session:a") == "x"


def test_password(published_python: Path, url: str) -> None:
    client = PublishedClient(published_python, url, username="ada", password=PASSWORD)
    client.call("kv.set", "session:b", "x")
    assert client.call("kv.get", "session:b") == "x"


@pytest.mark.parametrize("options", [{}, {"auth_token": "wrong"}, {"username": "ada", "password": "wrong"}])
def test_whoever_is_not_known_is_told_so(published_python: Path, url: str, options: dict[str, object]) -> None:
    client = PublishedClient(published_python, url, **options)
    with pytest.raises(RaisedError, match=r"SynapException: Server Error: .*credentials"):
        client.call("kv.get", "session:a")


def test_permissions_are_those_of_the_rest_routes(published_python: Path, url: str) -> None:
    client = PublishedClient(published_python, url, auth_token=API_KEY)
    for method, arguments in (("kv.set", ["other:a", "x"]), ("kv.get", ["other:a"]), ("kv.scan", [""])):
        with pytest.raises(RaisedError, match="SynapException: Server Error: "):
            client.call(method, *arguments)
    with pytest.raises(RaisedError, match="SynapException: Server Error: "):
        client.call("send_command", "info", {})
