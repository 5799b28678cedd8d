"""The listener: what it binds to, how many it serves, how it stops. Hypercorn is the real one, pinned for this."""

import contextlib
import socket

import pytest
import structlog
import trio

from synap.errors import AddressInUseError
from synap.server import listener as listener_module
from synap.server.listener import bind, hypercorn_config, url_of
from tests.server.support import GET, LIMIT_S, Door, listening, read_all, read_answer, until


def close(sockets: list[socket.socket]) -> None:
    for each in sockets:
        each.close()


# --- binding ---------------------------------------------------------------------------------------------


def test_port_0_takes_a_free_port() -> None:
    sockets = bind("127.0.0.1", 0)
    assert url_of(sockets[0]).startswith("http://127.0.0.1:")
    assert not url_of(sockets[0]).endswith(":0")
    close(sockets)


def test_ipv6() -> None:
    try:
        sockets = bind("::1", 0)
    except AddressInUseError:
        pytest.skip("there is no IPv6 here")
    assert url_of(sockets[0]).startswith("http://[::1]:")
    close(sockets)


def test_every_address_of_a_name_gets_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where port 0 leaves the choice to the system, and where an address is listed twice."""
    addresses = [("127.0.0.1", 0), ("127.0.0.2", 0), ("127.0.0.1", 0)]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    sockets = bind("name", 0)
    assert [each.getsockname()[0] for each in sockets] == ["127.0.0.1", "127.0.0.2"]
    assert len({each.getsockname()[1] for each in sockets}) == 1
    close(sockets)


def test_a_port_that_somebody_has() -> None:
    sockets = bind("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    with pytest.raises(AddressInUseError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use") as caught:
        bind("127.0.0.1", port)
    assert (caught.value.exit_code, caught.value.host, caught.value.port) == (69, "127.0.0.1", port)
    close(sockets)
    close(bind("127.0.0.1", port))


def test_of_several_addresses_none_stays_bound_where_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = bind("127.0.0.2", 0)
    port = taken[0].getsockname()[1]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.1", "127.0.0.2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(AddressInUseError):
        bind("name", port)
    monkeypatch.undo()
    close(bind("127.0.0.1", port))
    close(taken)


@pytest.mark.parametrize("host", ["host.invalid", "", "[::1]", "a" * 70 + ".b", "x\0y", "192.0.2.1"])
def test_what_is_no_address_of_this_machine(host: str) -> None:
    with pytest.raises(AddressInUseError, match="cannot listen on "):
        bind(host, 0)


# --- serving ---------------------------------------------------------------------------------------------


async def test_serves_and_keeps_connections() -> None:
    app = Door()
    app.open.set()
    async with listening(app) as server, await server.ask() as stream:
        for _ in range(3):
            assert (await read_answer(stream)).endswith(b"done")
            await stream.send_all(GET)


async def test_a_limit_of_connections() -> None:
    app = Door()
    app.open.set()
    async with listening(app, max_connections=1) as server:
        async with await server.ask() as stream:
            assert (await read_answer(stream)).endswith(b"done")
            refused = await read_all(await server.ask())
            assert refused.startswith(b"HTTP/1.1 503")
            assert app.entered == 1

        await until(lambda: not server.listener._streams)
        async with await server.ask() as stream:
            assert (await read_answer(stream)).startswith(b"HTTP/1.1 200")


async def test_refusals_have_a_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "REFUSALS_MAX", 1)
    monkeypatch.setattr(listener_module, "REFUSAL_MAX_S", LIMIT_S)
    app = Door()
    async with listening(app, max_connections=1) as server, await server.ask():
        await until(lambda: app.entered == 1)
        async with await server.connect() as told, await server.connect() as untold:
            assert (await read_answer(told)).startswith(b"HTTP/1.1 503")
            assert await untold.receive_some() == b""


async def test_who_is_refused_and_stays_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "REFUSAL_MAX_S", 0.05)
    app = Door()
    async with listening(app, max_connections=1) as server, await server.ask():
        await until(lambda: app.entered == 1)
        stream = await server.connect()
        assert (await read_answer(stream)).startswith(b"HTTP/1.1 503")
        await until(lambda: server.listener._refusals == 0)
        await stream.aclose()


async def test_an_application_that_fails_ends_neither_listener_nor_silence() -> None:
    """Hypercorn answers 500 where the application raised; nothing of the exception is shown."""
    app = Door()
    app.fails = True
    app.open.set()
    async with listening(app) as server:
        answer = await read_all(await server.ask())
        assert answer.startswith(b"HTTP/1.1 500")
        assert b"secret" not in answer
        app.fails = False
        async with await server.ask() as stream:
            assert (await read_answer(stream)).startswith(b"HTTP/1.1 200")


async def test_a_connection_that_fails_is_logged_without_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError("secret")

    monkeypatch.setattr(listener_module, "Connection", fail)
    async with listening(Door()) as server:
        with structlog.testing.capture_logs() as lines:
            assert await read_all(await server.connect()) == b""
        assert lines == [{"event": "connection failed", "error": "ValueError", "log_level": "error"}]


# --- stopping --------------------------------------------------------------------------------------------


async def test_a_request_under_way_is_finished_and_idle_connections_are_closed() -> None:
    app = Door()
    async with listening(app) as server:
        idle = await server.connect()
        busy = await server.ask()
        await until(lambda: app.entered == 1)
        await server.listener.stop()
        assert await read_all(idle) == b""
        assert not server.listener.finished.is_set()
        with pytest.raises(OSError, match="all attempts to connect"):
            await server.connect()
        app.open.set()
        assert (await read_all(busy)).endswith(b"done")
        with trio.fail_after(LIMIT_S):
            await server.listener.finished.wait()


async def test_half_a_request_is_not_waited_for() -> None:
    async with listening(Door()) as server:
        stream = await server.connect()
        await stream.send_all(GET[:-2])
        await server.listener.stop()
        with contextlib.suppress(trio.BrokenResourceError):
            assert await read_all(stream) == b""
        with trio.fail_after(LIMIT_S):
            await server.listener.finished.wait()


@pytest.mark.parametrize("body", [b"done", b"v" * 30_000_000], ids=["that does not end", "that nobody reads"])
async def test_a_request_is_cut_off_when_the_grace_is_over(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr(listener_module, "STOP_GRACE_S", 0.1)
    app = Door(body)
    if len(body) > 4:
        app.open.set()
    async with listening(app) as server:
        stream = await server.ask()
        await until(lambda: app.entered == 1)
        await server.listener.stop()
        with trio.fail_after(LIMIT_S):
            await server.listener.finished.wait()
        await trio.aclose_forcefully(stream)


def test_what_hypercorn_is_told() -> None:
    config = hypercorn_config()
    assert config.h11_max_incomplete_size >= 3 * 64 * 1024, "a key of the largest size with every byte escaped"
    assert config.keep_alive_timeout == listener_module.KEEP_ALIVE_S
    assert config.response_headers("h11")[0][0] == b"date"
    assert len(config.response_headers("h11")) == 1, "it does not say what it is"
