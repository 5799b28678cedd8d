"""Scans: page after page, with every kind of client."""

from typing import Any

import httpx
import pytest

from support import FLAVOURS, Flavour, ManualClock, Script, answer, refuse
from synap_sdk import BadRequest


def page(keys: list[str], cursor: str | None) -> httpx.Response:
    return answer({"keys": keys, "cursor": cursor})


def test_all_pages(flavour: Flavour) -> None:
    server = Script(page(["a", "b"], "c1"), page([], "c2"), page(["c"], None))
    client = flavour.client(handler=server)
    assert flavour.first(10, client, lambda it: it.kv.scan("p:", page_size=2)) == ["a", "b", "c"]
    assert [request.url.query.decode() for request in server.seen] == [
        "prefix=p%3A&limit=2",
        "prefix=p%3A&limit=2&cursor=c1",
        "prefix=p%3A&limit=2&cursor=c2",
    ]


def test_no_page_is_asked_for_before_it_is_needed(flavour: Flavour) -> None:
    server = Script(page(["a", "b"], "c1"))
    assert flavour.first(2, flavour.client(handler=server), lambda it: it.kv.scan()) == ["a", "b"]


def test_trouble_between_pages(flavour: Flavour) -> None:
    server = Script(page(["a"], "c1"), httpx.ReadError(""), page(["b"], None))
    client = flavour.client(handler=server, clock=ManualClock())
    assert flavour.first(10, client, lambda it: it.kv.scan()) == ["a", "b"]


def test_an_error_ends_it(flavour: Flavour) -> None:
    client = flavour.client(handler=Script(page(["a"], "c1"), refuse(400, "malformed_request")))
    with pytest.raises(BadRequest):
        flavour.first(10, client, lambda it: it.kv.scan())


@pytest.mark.parametrize("flavour", [each for each in FLAVOURS if each.is_async])
def test_a_loop_that_is_left_early(flavour: Flavour) -> None:
    """Nothing is open, so nothing has to be closed, and nobody warns."""

    async def leave(client: Any) -> str:
        async for key in client.kv.scan():
            return str(key)
        return ""

    assert flavour.call(flavour.client(handler=Script(page(["a", "b"], "c1"))), leave) == "a"
