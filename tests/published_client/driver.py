"""Calls the published client, in the virtual environment that it is installed in.

A program of its own, since that client bears the import name of ours. It reads from standard input what to do:
``{"url", "options", "calls": [[name, positional, by_name], ...], "at_once"}``, where a name is a path from the client,
such as ``kv.set``. It writes to standard output ``{"version", "results": [...]}``: for each call
``{"returned": value}`` or ``{"raised": name, "text": sentence}``.
"""

import asyncio
import json
import sys
from functools import reduce
from importlib.metadata import version
from typing import Any

from synap_sdk import SynapClient, SynapConfig  # type: ignore[attr-defined]  # of the published package


async def call(client: Any, name: str, positional: list[Any], by_name: dict[str, Any]) -> dict[str, Any]:
    """What one method of the client gives; of an iterator, the first."""
    method = reduce(getattr, name.split("."), client)
    try:
        result = method(*positional, **by_name)
        return {"returned": await (anext(result) if hasattr(result, "__anext__") else result)}
    except Exception as error:  # noqa: BLE001  # whatever it is, the test looks at it
        return {"raised": type(error).__name__, "text": str(error)}


async def follow(orders: dict[str, Any]) -> list[dict[str, Any]]:
    """Make all the calls with one client."""
    async with SynapClient(SynapConfig(orders["url"], **orders["options"])) as client:
        calls = [call(client, *each) for each in orders["calls"]]
        if orders["at_once"]:
            return await asyncio.gather(*calls)
        return [await each for each in calls]


if __name__ == "__main__":
    results = asyncio.run(follow(json.load(sys.stdin)))
    json.dump({"version": version("synap-sdk"), "results": results}, sys.stdout)
