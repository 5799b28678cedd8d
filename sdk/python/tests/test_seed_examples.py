"""The examples that the client was asked for with, run as they are written, but for the port.

The one for FastAPI is the application that it says, in a web server. Redis is not asked; a stand-in takes its place,
and does as little as the example needs.
"""

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import trio
import uvicorn

import synap_sdk
from tests.process.harness import START_LIMIT_S, Server, unused_port, wait_until

pytestmark = pytest.mark.process

DOCUMENTED = "http://localhost:15500"

FASTAPI = """
from fastapi import FastAPI, Request, Response
from synap_sdk import SynapClient
import json
import secrets

app = FastAPI()
client = SynapClient("http://localhost:15500")

@app.middleware("http")
async def session_middleware(request: Request, call_next):
    session_id = request.cookies.get("session_id")
    
    if session_id:
        session_data = await client.kv.get(f"session:{session_id}")
        if session_data:
            request.state.session = json.loads(session_data)
        else:
            request.state.session = {}
    else:
        request.state.session = {}
        session_id = secrets.token_urlsafe(32)
        request.state.session_id = session_id
    
    response = await call_next(request)
    
    # Save session
    if hasattr(request.state, 'session') and request.state.session:
        await client.kv.set(
            f"session:{session_id}",
            json.dumps(request.state.session),
            ttl=3600
        )
        response.set_cookie("session_id", session_id, max_age=3600)
    
    return response
"""  # noqa: W293  # as it is written

MIGRATION = """
# Redis
import redis
r = redis.Redis(host='localhost', port=6379)
r.setex('session:123', 3600, session_data)

# Synap (same pattern)
from synap_sdk import SynapClient
client = SynapClient("http://localhost:15500")
client.kv.set('session:123', session_data, ttl=3600)
"""


class Redis:
    """Remembers what it was told."""

    def __init__(self, host: str, port: int) -> None:
        self.address = host, port
        self.told: list[tuple[str, int, str]] = []

    def setex(self, key: str, ttl_s: int, value: str) -> None:
        self.told.append((key, ttl_s, value))


def run(snippet: str, url: str, **names: object) -> dict[str, Any]:
    """Execute an example; what it defines."""
    assert DOCUMENTED in snippet
    defined: dict[str, Any] = {"__name__": "seed", **names}
    exec(compile(snippet.replace(DOCUMENTED, url), "seed", "exec"), defined)  # noqa: S102  # our own examples
    return defined


def application(url: str) -> Any:
    """The example for FastAPI, with the routes of an application that has use for it."""
    defined = run(FASTAPI, url)
    app, request_type = defined["app"], defined["Request"]

    async def log_in(request: Any, name: str) -> None:
        request.state.session["name"] = name

    async def look(request: Any) -> dict[str, object]:
        return dict(request.state.session)

    async def count(request: Any) -> int:
        request.state.session["count"] = request.state.session.get("count", 0) + 1
        return int(request.state.session["count"])

    for route in (log_in, look, count):
        route.__annotations__["request"] = request_type
        app.post(f"/{route.__name__}")(route)
    return app


@pytest.mark.parametrize("start", [asyncio.run, trio.run], ids=["asyncio", "trio"])
def test_fastapi_in_each_event_loop(url: str, start: Callable[..., Any]) -> None:
    """Each request in a loop of its own, with the client that was made at import time."""
    app = application(url)

    def post(path: str, cookie: str | None = None) -> httpx.Response:
        async def awaited() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            cookies = {} if cookie is None else {"session_id": cookie}
            async with httpx.AsyncClient(transport=transport, base_url="http://app.test", cookies=cookies) as browser:
                return await browser.post(path)

        if start is trio.run:
            response: httpx.Response = trio.run(awaited)
            return response
        return asyncio.run(awaited())

    session_id = post("/log_in?name=Zo%C3%AB").cookies["session_id"]
    assert post("/look", session_id).json() == {"name": "Zoë"}
    assert post("/look", "unknown").json() == {}
    with synap_sdk.Client(url) as client:
        stored = client.kv.get(f"session:{session_id}")
        assert isinstance(stored, str)
        assert json.loads(stored) == {"name": "Zoë"}
        assert client.kv.ttl(f"session:{session_id}") in range(3590, 3601)


def test_fastapi_in_a_web_server(tmp_path: Path) -> None:
    """Two browsers; the store is killed between two requests, and nobody is logged out."""
    port, data = unused_port(), tmp_path / "data"
    with (
        Server(data, "--port", str(port)) as store,
        served(application(f"http://127.0.0.1:{port}")) as address,
        httpx.Client(base_url=address) as ada,
        httpx.Client(base_url=address) as grace,
    ):
        assert ada.post("/look").json() == {}
        assert not ada.cookies, "nothing is stored for an empty session"
        assert "max-age=3600" in ada.post("/log_in?name=ada").headers["set-cookie"].lower()
        grace.post("/log_in?name=grace")
        assert [ada.post("/count").json() for _ in range(3)] == [1, 2, 3]
        store.kill()
        with Server(data, "--port", str(port)):
            assert ada.post("/count").json() == 4
            assert ada.post("/look").json() == {"name": "ada", "count": 4}
            assert grace.post("/look").json() == {"name": "grace"}
            assert ada.cookies["session_id"] != grace.cookies["session_id"]


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The address of an application in a web server of this process."""
    port = unused_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert wait_until(lambda: server.started, START_LIMIT_S)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(START_LIMIT_S)


def test_what_the_example_does_not_do(url: str) -> None:
    """It adopts an id that somebody made up, and keeps it at login: whoever planted it is logged in, too.

    And it saves what a request holds, whatever became of the session meanwhile. ``synap_sdk.sessions`` does neither.
    """
    with served(application(url)) as address, synap_sdk.Client(url) as client:
        with httpx.Client(base_url=address, cookies={"session_id": "planted"}) as victim:
            victim.post("/log_in?name=ada")
        with httpx.Client(base_url=address, cookies={"session_id": "planted"}) as thief:
            assert thief.post("/look").json() == {"name": "ada"}
        client.kv.delete("session:planted")


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("redis")
    module.Redis = Redis  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "redis", module)


@pytest.mark.usefixtures("redis")
def test_migration(url: str) -> None:
    session_data = json.dumps({"user_id": 123})
    defined = run(MIGRATION, url, session_data=session_data)
    assert defined["r"].told == [("session:123", 3600, session_data)]
    with synap_sdk.Client(url) as client:
        assert client.kv.get("session:123") == session_data
        assert client.kv.ttl("session:123") in range(3590, 3601)
