"""README's examples do what README says."""

import re
from functools import partial
from pathlib import Path

import httpx
import trio
from fastapi import FastAPI

from tests.contract.client import Client
from tests.contract.test_seed_examples import needs_curl, run

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def examples() -> list[tuple[str, str]]:
    """Each curl command of README, and the answer in the comment below it."""
    blocks = [block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "curl" in block]
    lines = "".join(blocks).replace("\\\n", "")
    return re.findall(r"^(curl .*)\n# (.*)$", lines, re.MULTILINE)


def without_the_time(answer: str) -> str:
    """The remaining time to live is another one each time."""
    return re.sub(r'("ttl(?:_ms)?":)\d+', r"\1…", answer.strip())


def typed(block: str, port: int) -> dict[str, object]:
    """What is defined when a block of Python was typed, but for the port."""
    defined: dict[str, object] = {"__name__": "readme"}
    exec(compile(block.replace(":15500", f":{port}"), "README.md", "exec"), defined)  # noqa: S102
    return defined


@needs_curl
async def test_the_two_minutes(client: Client) -> None:
    assert len(examples()) == 5
    for command, answer in examples():
        assert without_the_time(await run(client, command)) == without_the_time(answer)


async def test_the_client(client: Client) -> None:
    (block,) = (block for block in PYTHON if "SynapClient" in block)
    await trio.to_thread.run_sync(partial(typed, block, client.port))
    assert (await client.get("/kv/get/session:123")).json == "…"


async def test_the_application(client: Client) -> None:
    (block,) = (block for block in PYTHON if "FastAPI" in block)
    app = typed(block, client.port)["app"]
    assert isinstance(app, FastAPI)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://app.test") as browser:
        response = await browser.post("/login?user=ada")
    assert response.status_code == 200
    assert "HttpOnly" in response.headers["set-cookie"]
    assert (await client.get("/kv/count")).field("count") == 1
