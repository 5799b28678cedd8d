"""What the page on security says: keys, roles, addresses; typed, and asked of a server that has the settings shown."""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from synap.accounts import digest_of
from tests.docs.asking import ask
from tests.docs.markdown import DOCS, blocks
from tests.docs.reader import Reader
from tests.process.harness import Server

PAGE = DOCS / "operations" / "security.md"
KEY = "a-key-that-is-long-enough-for-a-test-of-the-page"

pytestmark = [pytest.mark.process]


def settings_shown() -> str:
    """The settings of the page, with digests of keys that this test knows, made today, and for its own address."""
    (shown,) = [block.text for block in blocks(PAGE) if block.language == "yaml"]
    first, second = re.findall(r"key_hash: (\w+)", shown)
    shown = shown.replace(first, digest_of(KEY.encode()).hex())
    shown = shown.replace(second, digest_of(KEY[::-1].encode()).hex())
    created = re.sub(r"created: \S+", f"created: {datetime.now(UTC).date()}", shown)
    return created.replace("10.0.0.0/8", "127.0.0.0/8")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    config = tmp_path / "synap.yml"
    config.write_text(settings_shown(), encoding="utf-8")
    with Reader(tmp_path / "reader", "--config", str(config)) as reader:
        reader.replaced["$KEY"] = KEY
        reader.start()
        yield reader


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_page(reader: Reader) -> None:
    for block in blocks(PAGE):
        if block.language == "sh":
            reader.follow(block)


ROLES = [
    ("GET", "/kv/get/session:1", {"reader", "writer", "admin"}),
    ("GET", "/kv/stats", {"reader", "admin"}),
    ("GET", "/metrics", {"reader", "admin"}),
    ("GET", "/events?wait=0", {"reader", "admin"}),
    ("DELETE", "/kv/del/session:1", {"writer", "admin"}),
    ("POST", "/snapshot", {"admin"}),
    ("GET", "/snapshots", {"admin"}),
    ("GET", "/info", {"admin"}),
    ("GET", "/slowlog", {"admin"}),
    ("GET", "/admin/backup", {"admin"}),
    ("GET", "/health", {"nobody", "reader", "writer", "admin"}),
    ("GET", "/ready", {"nobody", "reader", "writer", "admin"}),
    ("GET", "/openapi.json", {"nobody", "reader", "writer", "admin"}),
    ("GET", "/docs", {"nobody", "reader", "writer", "admin"}),
]
"""The writer of the page has prefixes, so what is about all keys is not for it."""


HEADERS: dict[str, dict[str, str]] = {
    "nobody": {},
    "reader": {"X-API-Key": KEY[::-1]},
    "writer": {"X-API-Key": KEY},
    "admin": {"X-API-Key": "admin" * 9},
}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server with the accounts of the page, and a key for an admin."""
    place = tmp_path_factory.mktemp("roles")
    config = place / "synap.yml"
    admin = f"    - {{name: admin, role: admin, key_hash: {digest_of(b'admin' * 9).hex()}}}\n  users:"
    config.write_text(settings_shown().replace("  users:", admin), encoding="utf-8")
    with Server(place / "data", "--config", str(config)) as server:
        yield server.port


@pytest.mark.parametrize(("method", "path", "allowed"), ROLES)
def test_roles(port: int, method: str, path: str, allowed: set[str]) -> None:
    status = {name: ask(port, method, path, headers=each)[0] for name, each in HEADERS.items()}
    assert {name for name, code in status.items() if code == 200} == allowed
    assert {code for name, code in status.items() if name not in allowed} <= {401, 403}
