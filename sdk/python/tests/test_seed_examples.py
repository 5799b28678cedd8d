"""The examples that the client was asked for with, run as they are written, but for the port.

What they use besides the client is not installed; stand-ins take its place, and do as little as the examples need.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import trio

import synap_sdk

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


class FastAPI:
    """Keeps the middleware that is declared."""

    def middleware(self, kind: str) -> Callable[[Any], Any]:
        assert kind == "http"

        def keep(function: Any) -> Any:
            self.chain = function
            return function

        return keep


class Request:
    """What a browser sends: cookies."""

    def __init__(self, cookies: dict[str, str]) -> None:
        self.cookies = cookies
        self.state = SimpleNamespace()


class Response:
    """What a browser gets: cookies."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    def set_cookie(self, name: str, value: str, max_age: int) -> None:
        assert max_age == 3600
        self.cookies[name] = value


class Redis:
    """Remembers what it was told."""

    def __init__(self, host: str, port: int) -> None:
        self.address = host, port
        self.told: list[tuple[str, int, str]] = []

    def setex(self, key: str, ttl_s: int, value: str) -> None:
        self.told.append((key, ttl_s, value))


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, members in (("fastapi", (FastAPI, Request, Response)), ("redis", (Redis,))):
        module = ModuleType(name)
        for each in members:
            setattr(module, each.__name__, each)
        monkeypatch.setitem(__import__("sys").modules, name, module)


def run(snippet: str, url: str, **names: object) -> dict[str, Any]:
    """Execute an example; what it defines."""
    assert DOCUMENTED in snippet
    defined: dict[str, Any] = dict(names)
    exec(compile(snippet.replace(DOCUMENTED, url), "seed", "exec"), defined)  # noqa: S102  # our own examples
    return defined


def in_asyncio(function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    async def call() -> Any:
        return await function(*args)

    return asyncio.run(call())


@pytest.mark.parametrize("start", [in_asyncio, trio.run], ids=["asyncio", "trio"])
def test_fastapi(url: str, start: Callable[..., Any]) -> None:
    """Three requests of a browser, each in an event loop of its own, with the client that was made at import time."""
    defined = run(FASTAPI, url)
    handle = defined["app"].chain

    async def log_in(request: Request) -> Response:
        request.state.session = {**request.state.session, "user_id": 123, "name": "Zoë"}
        return Response()

    first = start(handle, Request({}), log_in)
    session_id = first.cookies["session_id"]

    seen = []

    async def look(request: Request) -> Response:
        seen.append(request.state.session)
        return Response()

    start(handle, Request({"session_id": session_id}), look)
    start(handle, Request({"session_id": "unknown"}), look)
    assert seen == [{"user_id": 123, "name": "Zoë"}, {}]

    with synap_sdk.Client(url) as client:
        stored = client.kv.get(f"session:{session_id}")
        assert isinstance(stored, str)
        assert json.loads(stored) == {"user_id": 123, "name": "Zoë"}
        assert client.kv.ttl(f"session:{session_id}") in range(3590, 3601)


def test_migration(url: str) -> None:
    session_data = json.dumps({"user_id": 123})
    defined = run(MIGRATION, url, session_data=session_data)
    assert defined["r"].told == [("session:123", 3600, session_data)]
    with synap_sdk.Client(url) as client:
        assert client.kv.get("session:123") == session_data
        assert client.kv.ttl("session:123") in range(3590, 3601)
