"""The published client once, and a server of each module's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.harness import Client, Server
from tests.published_client.published import PublishedClient, install


@pytest.fixture(scope="session")
def published_python() -> Path:
    """The interpreter that has the published client."""
    return install()


@pytest.fixture(scope="module")
def server(published_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture
def published(published_python: Path, server: Server) -> PublishedClient:
    """The published client of the module's server."""
    return PublishedClient(published_python, f"http://127.0.0.1:{server.port}")


@pytest.fixture
def rest(server: Server) -> Iterator[Client]:
    """Another client of the same server, over the REST API."""
    with server.client() as client:
        yield client
