"""Every kind of client, and a server of each module's own."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from support import FLAVOURS, Flavour
from tests.process.harness import Server

# How long an example takes on a machine that is shared with servers says nothing about the code.
settings.register_profile("synap-sdk", deadline=None)
settings.load_profile("synap-sdk")


@pytest.fixture(params=FLAVOURS, ids=lambda flavour: flavour.name)
def flavour(request: pytest.FixtureRequest) -> Flavour:
    """Each kind of client in turn."""
    chosen: Flavour = request.param
    return chosen


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is ready, shared by the tests of a module."""
    with Server(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture
def url(server: Server) -> str:
    """Where the server of the module is."""
    return f"http://localhost:{server.port}"
