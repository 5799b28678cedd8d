"""Under which names a server may be asked for that keeps nobody out but by its name."""

import json

import pytest

from synap.errors import ForeignHostError
from synap.protocol.http.errors import respond_to_error
from synap.protocol.http.host import check_host

ALLOWED = frozenset({"sessions.example.com"})


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"localhost:15500",
        b"LOCALHOST:80",
        b"app.localhost:15500",
        b"127.0.0.1",
        b"127.0.0.1:15500",
        b"10.1.2.3:15500",
        b"[::1]",
        b"[::1]:15500",
        b"synap",
        b"synap:15500",
        b"sessions.example.com",
        b"Sessions.Example.com.:443",
        b"",
    ],
)
def test_names_that_nobody_else_can_own(host: bytes) -> None:
    check_host(((b"host", host),), ALLOWED)


def test_whoever_sends_none() -> None:
    check_host((), ALLOWED)


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example",
        b"evil.example:15500",
        b"127.0.0.1.evil.example",
        b"localhost.evil.example",
        b"x.sessions.example.com",
        b"1.2.3.4.5",
        b"0x7f.1",
        b"\xff.\xff",
    ],
)
def test_names_that_somebody_else_may_own(host: bytes) -> None:
    with pytest.raises(ForeignHostError) as caught:
        check_host(((b"host", host),), ALLOWED)
    response = respond_to_error(caught.value)
    assert (response.status, json.loads(response.body)["type"]) == (421, "foreign_host")
