"""The clients themselves: what they are made with, what goes with every request, and how they end."""

import base64
import warnings
from typing import Any

import httpx
import pytest

from support import FLAVOURS, URL, Flavour, Script, answer
from synap_sdk import AsyncClient, Client, ClientClosed, InvalidArgument, SynapClient


def sent_by(flavour: Flavour, url: str = URL, **options: Any) -> httpx.Request:
    """The request that a read becomes."""
    server = Script(answer({"count": 0}))
    flavour.call(flavour.client(url, handler=server, **options), lambda it: it.kv.count("p"))
    (request,) = server.seen
    return request


@pytest.mark.parametrize(
    ("base_url", "asked"),
    [
        ("http://synap.test:15500", "http://synap.test:15500/kv/count?prefix=p"),
        ("http://synap.test:15500/", "http://synap.test:15500/kv/count?prefix=p"),
        ("https://synap.test", "https://synap.test/kv/count?prefix=p"),
        ("http://[::1]:15500", "http://[::1]:15500/kv/count?prefix=p"),
        ("http://proxy.test/stores/synap/", "http://proxy.test/stores/synap/kv/count?prefix=p"),
    ],
)
def test_the_base_url(flavour: Flavour, base_url: str, asked: str) -> None:
    assert str(sent_by(flavour, base_url).url) == asked


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "localhost:15500",
        "synap://localhost:15500",
        "http://",
        "http://synap.test:port",
        "http://synap.test:99999",
        "http://[::1",
        "http://user:secret@synap.test",
        "http://synap.test/?a=b",
        "http://synap.test/#a",
        "http://syn ap.test",
        "http://synap.test\r\n",
        f"http://{'é' * 70}.test",
    ],
)
def test_an_address_that_cannot_be(flavour: Flavour, base_url: str) -> None:
    with pytest.raises(InvalidArgument, match="base_url") as caught:
        flavour.client(base_url)
    assert "secret" not in str(caught.value)


def test_what_goes_with_every_request(flavour: Flavour) -> None:
    assert sorted(sent_by(flavour).headers) == ["host", "user-agent"]
    assert sent_by(flavour).headers["user-agent"] == "synap-sdk/0.1.0 (python)"


def test_an_api_key(flavour: Flavour) -> None:
    assert sent_by(flavour, api_key="k_3F-x").headers["authorization"] == "Bearer k_3F-x"


def test_a_user(flavour: Flavour) -> None:
    told = sent_by(flavour, username="ann", password="pässword: 1").headers["authorization"]  # noqa: S106
    assert base64.b64decode(told.removeprefix("Basic ")).decode() == "ann:pässword: 1"


@pytest.mark.parametrize(
    "credentials",
    [
        {"api_key": "secret", "username": "ann", "password": "secret"},
        {"api_key": ""},
        {"api_key": "secret\r\nx-injected: 1"},
        {"api_key": "sécret"},
        {"username": "ann"},
        {"password": "secret"},
        {"username": "an:n", "password": "secret"},
    ],
)
def test_credentials_that_cannot_be(flavour: Flavour, credentials: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        flavour.client(**credentials)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["deadline_s", "connect_timeout_s"])
@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_times_that_cannot_be(flavour: Flavour, name: str, seconds: float) -> None:
    options: dict[str, Any] = {name: seconds}
    with pytest.raises(InvalidArgument, match=name):
        flavour.client(**options)


def test_an_option_that_is_none(flavour: Flavour) -> None:
    with pytest.raises(TypeError, match="retries"):
        flavour.client(retries=3)


@pytest.mark.parametrize("make", [Client, AsyncClient, SynapClient])
def test_a_client_shows_where_it_is_and_nothing_secret(make: Any) -> None:
    assert repr(make(URL, api_key="secret")) == f"{make.__name__}('{URL}')"


@pytest.mark.parametrize("make", [Client, AsyncClient, SynapClient])
def test_a_client_that_nobody_uses_leaves_nothing_behind(make: Any) -> None:
    make(URL)
    make("https://synap.test")


# --- the end -----------------------------------------------------------------------------------------------


def test_a_client_that_is_closed(flavour: Flavour) -> None:
    server = Script(answer({"count": 0}))
    client = flavour.client(handler=server)

    if not flavour.is_async:
        client.kv.count()
        client.close()
        client.close()
        with pytest.raises(ClientClosed):
            client.kv.count()
        return

    async def use_and_close(client: Any) -> None:
        await client.kv.count()
        await client.aclose()
        await client.aclose()
        with pytest.raises(ClientClosed):
            await client.kv.count()

    flavour.call(client, use_and_close)
    with pytest.raises(ClientClosed):
        flavour.call(client, lambda it: it.kv.count())


def test_a_client_as_a_context(flavour: Flavour) -> None:
    client = flavour.client(handler=Script(answer({"count": 0})))
    if not flavour.is_async:
        with client as entered:
            assert entered is client
            assert client.kv.count() == 0
    else:

        async def use(client: Any) -> None:
            async with client as entered:
                assert entered is client
                assert await client.kv.count() == 0

        flavour.call(client, use)
    with pytest.raises(ClientClosed):
        flavour.call(client, lambda it: it.kv.count())


@pytest.mark.parametrize("flavour", [each for each in FLAVOURS if each.name.startswith("SynapClient")])
def test_close_follows_the_rule_of_all_calls(flavour: Flavour) -> None:
    """Awaited in a loop, done at once elsewhere."""
    client = flavour.client(handler=Script())
    assert flavour.call(client, lambda it: it.close()) is None
    with pytest.raises(ClientClosed):
        flavour.call(client, lambda it: it.kv.count())
    with pytest.raises(ClientClosed):
        client.kv.count()


# --- a call that is forgotten ------------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", [each for each in FLAVOURS if each.is_async])
def test_a_call_that_is_never_awaited_is_noticed(flavour: Flavour) -> None:
    server = Script()

    async def forget(client: Any) -> None:
        client.kv.set("k", "v")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        flavour.call(flavour.client(handler=server), forget)
    assert [str(each.message) for each in caught if each.category is RuntimeWarning] == [
        "coroutine 'kv.set' was never awaited"
    ]
    assert server.seen == []
