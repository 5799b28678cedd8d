"""An example of a request for every route, for the tests of what holds for all of them."""

import json
from typing import NamedTuple

from tests.contract.client import JSON, Client, Reply


class Example(NamedTuple):
    """A request that succeeds where the key of the path holds a number; ``body`` is JSON, None for none.

    ``takes_condition``: it writes one key, and may ask for its version.
    """

    method: str
    pattern: str
    body: object = None
    takes_condition: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.pattern}"

    def target(self, key: str = "a") -> str:
        """The request target for a key, which stands there as it is."""
        path = self.pattern.replace("{key}", key)
        return path + "?prefix=a" if str(self) == "DELETE /kv/keys" else path

    async def send(self, client: Client, key: str = "a", **headers: str) -> Reply:
        """Send the request; ``if_match`` becomes If-Match."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.body is None:
            return await client.request(self.method, self.target(key), headers=fields)
        return await client.request(self.method, self.target(key), json.dumps(self.body).encode(), {**JSON, **fields})


def _both_ways(method: str, operation: str, body: object = None, *, takes_condition: bool = False) -> list[Example]:
    patterns = (f"/kv/{operation}/{{key}}", f"/kv/{{key}}/{operation}")
    return [Example(method, pattern, body, takes_condition) for pattern in patterns]


EXAMPLES = [
    Example("POST", "/kv/set", {"key": "a", "value": 1}, takes_condition=True),
    Example("GET", "/kv/get/{key}"),
    Example("DELETE", "/kv/del/{key}", takes_condition=True),
    Example("GET", "/kv/exists/{key}"),
    Example("POST", "/kv/expire/{key}", {"ttl": 60}, takes_condition=True),
    Example("POST", "/kv/persist/{key}", takes_condition=True),
    Example("GET", "/kv/ttl/{key}"),
    Example("POST", "/kv/incr/{key}", takes_condition=True),
    Example("POST", "/kv/decr/{key}", takes_condition=True),
    Example("POST", "/kv/incrby/{key}", {"amount": 5}, takes_condition=True),
    Example("POST", "/kv/decrby/{key}", {"amount": 5}, takes_condition=True),
    *_both_ways("POST", "append", {"value": "b"}, takes_condition=True),
    *_both_ways("GET", "getrange"),
    *_both_ways("POST", "setrange", {"offset": 1, "value": "b"}, takes_condition=True),
    *_both_ways("POST", "getset", {"value": "b"}, takes_condition=True),
    *_both_ways("GET", "strlen"),
    *_both_ways("POST", "getdel", takes_condition=True),
    Example("PUT", "/kv/value/{key}", [1], takes_condition=True),
    Example("GET", "/kv/value/{key}"),
    Example("DELETE", "/kv/value/{key}", takes_condition=True),
    Example("GET", "/key/{key}/type"),
    Example("GET", "/key/{key}/exists"),
    Example("POST", "/key/{key}/rename", {"destination": "b"}, takes_condition=True),
    Example("POST", "/key/{key}/renamenx", {"destination": "b"}, takes_condition=True),
    Example("POST", "/key/{key}/copy", {"destination": "b"}, takes_condition=True),
    Example("GET", "/key/randomkey"),
    Example("GET", "/memory/{key}/usage"),
    Example("GET", "/kv/keys"),
    Example("DELETE", "/kv/keys"),
    Example("GET", "/kv/scan"),
    Example("GET", "/kv/count"),
    Example("POST", "/kv/mset", {"pairs": [["a", 1]]}),
    Example("POST", "/kv/msetnx", {"pairs": [["a", 1]]}),
    Example("POST", "/kv/mget", {"keys": ["a"]}),
    Example("POST", "/kv/mdel", {"keys": ["a"]}),
    Example("GET", "/kv/stats"),
]
"""Every route of keys and values."""

OF_A_KEY = [example for example in EXAMPLES if "{key}" in example.pattern]
WITH_A_BODY = [example for example in EXAMPLES if example.body is not None]
CONDITIONAL = [example for example in EXAMPLES if example.takes_condition]
