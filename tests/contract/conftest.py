"""One server to a test, in this process and on a port of its own; small limits are asked for by ``settings``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from synap.config import PersistenceSettings, ServerSettings, Settings
from synap.server.run import serve
from tests.contract.client import Client, wait_until


def make_settings(directory: Path, **server: object) -> Settings:
    """The defaults, but for a free port, a data directory, and what is said of the server."""
    return Settings(
        server=msgspec.convert({"port": 0, **server}, ServerSettings),
        persistence=PersistenceSettings(directory=str(directory)),
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """What the server of a test runs with; overridden where a module needs something else."""
    return make_settings(tmp_path / "data")


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Client]:
    """A client of a server that is ready, and ends with the block if it has not ended by itself."""
    async with trio.open_nursery() as nursery:
        url = await nursery.start(serve, settings)
        client = Client(int(url.rpartition(":")[2]))
        await wait_until(client.is_ready)
        yield client
        await client.aclose()
        nursery.cancel_scope.cancel()


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    """A client of a server that is ready."""
    async with served(settings) as client:
        yield client
