"""README's examples run as they are written, but for the port."""

import asyncio
import importlib
import re
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import session

import synap_sdk
from synap_sdk import Client
from synap_sdk._shells.kv import KV, Operation
from synap_sdk._shells.options import Options

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def typed(url: str) -> dict[str, Any]:
    """What is defined when all examples were typed, one after the other, into a store that is empty."""
    with Client(url) as client:
        client.kv.delete("logins")
    defined: dict[str, Any] = {"__name__": "readme"}
    for block in BLOCKS:
        exec(compile(block.replace("http://localhost:15500", url), "README.md", "exec"), defined)  # noqa: S102
    return defined


@pytest.mark.process
def test_the_examples(url: str) -> None:
    defined = typed(url)
    client = defined["client"]
    assert client.kv.get("session:123") is None
    assert client.kv.get("cart:7") == ["apple", "pear"]
    assert client.kv.get("logins") == 2
    client.kv.set("session:123", "v")
    assert defined["session_of"]("123") == "v"
    assert defined["log_out"]("123") is True
    client.close()
    assert defined["session_of"]("123") is None


@pytest.mark.process
def test_the_sessions(url: str) -> None:
    app = typed(url)["app"]

    async def browse() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://app.test") as browser:
            assert (await browser.post("/count")).json() == 1
            before = browser.cookies["session_id"]
            assert (await browser.post("/login?user=ada")).json() == "ada"
            assert browser.cookies["session_id"] != before
            assert (await browser.post("/count")).json() == 2
            await browser.post("/logout")
            assert not browser.cookies
            assert (await browser.post("/count")).json() == 1

    asyncio.run(browse())


@pytest.mark.process
def test_the_sessions_of_flask(url: str) -> None:
    app = typed(url)["flask_app"]
    app.add_url_rule("/", view_func=lambda: str(session.setdefault("seen", 1)))
    response = app.test_client().get("/")
    assert response.text == "1"
    assert response.headers["set-cookie"].startswith("session_id=")


def test_the_settings_of_django() -> None:
    (block,) = (block for block in BLOCKS if "settings.py" in block)
    defined: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), defined)  # noqa: S102
    for name in (f"{defined['SESSION_ENGINE']}.SessionStore", *defined["MIDDLEWARE"]):
        module, _, member = name.rpartition(".")
        assert hasattr(importlib.import_module(module), member)


def test_every_extra_is_named() -> None:
    named = re.search(r"with the extra (.*?)\.", README)
    assert named is not None
    assert sorted(re.findall(r"`(\w+)`", named[1])) == metadata("synap-sdk").get_all("Provides-Extra")


def test_every_operation_is_named() -> None:
    operations = {name for name, each in vars(KV).items() if isinstance(each, Operation)} | {"scan"}
    (table,) = re.findall(r"(\| one key .*?)\n\n", README, re.DOTALL)
    assert set(re.findall(r"`(\w+)", table)) == operations


def test_every_option_is_named() -> None:
    table = README.split("## Options")[1]
    assert {name for name in Options.__annotations__ if f"`{name}" not in table} == {"clock"}


def test_every_name_is_there() -> None:
    imported = re.findall(r"from synap_sdk import (.*)", README)
    assert {name for line in imported for name in line.split(", ")} <= set(synap_sdk.__all__)
