"""The same bytes to two servers that hold the same, one with the fast lane and one without: the answers are the same.

To the byte, but for what depends on the time. A connection stays open behind a request where a last question that is
sent with it is answered.
"""

import base64
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import bcrypt
import msgspec
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synap.accounts import ApiKeySettings, AuthenticationSettings, UserSettings
from synap.config import KvStoreSettings, Settings
from tests.contract.client import LIMIT_S, Client
from tests.contract.conftest import make_settings, served
from tests.server.lane import corpus
from tests.server.lane.corpus import get, post, request
from tests.server.lane.made import made_bodies

LAST = get(b"/kv/get/last?", b"connection: close")
"""Sent behind every request. Where the connection is still there, it is answered, and ends it."""

TRIES = 8
"""For chunks, which are hypercorn's alone: where they are broken, it answers or only closes, as its tasks come."""

SHORT_BYTES = 600
"""What is sent byte by byte."""

SLOW_NEVER_MS = 3_600_000

ORIGINS = ["https://app.example.com"]

_VARYING = re.compile(
    rb'(?<=\r\ndate: )[^\r]+|(?<="uptime_secs":)\d+|(?<="total_memory_bytes":)\d+|(?<="ttl_ms":)\d+'
    rb'|(?<="created_at":")[^"]+|(?<=snapshot_path":")[^"]+'
)


class Doors:
    """A server with the fast lane and one without."""

    def __init__(self, both: Client, one: Client) -> None:
        self._clients = (both, one)

    async def differences(
        self,
        requests: Iterable[bytes],
        last: bytes = LAST,
        pieces: Callable[[bytes], Iterable[bytes]] = lambda sent: [sent],
    ) -> list[tuple[bytes, bytes, bytes]]:
        """The requests that are answered differently, each with both answers."""
        found = []
        for sent in requests:
            with_lane, without = await self._ask(sent, pieces, last)
            tries = TRIES if b"transfer-encoding" in sent.lower() else 1
            while with_lane != without and (tries := tries - 1):
                with_lane, without = await self._ask(sent, pieces, last)
            if with_lane != without:
                found.append((sent[:400], with_lane[-700:], without[-700:]))
        return found

    async def _ask(self, sent: bytes, pieces: Callable[[bytes], Iterable[bytes]], last: bytes) -> list[bytes]:
        return [await _talk(client.port, pieces(sent + last)) for client in self._clients]


async def _talk(port: int, pieces: Iterable[bytes]) -> bytes:
    """All that a server answers until it closes."""
    received = bytearray()
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:

        async def send() -> None:
            for piece in pieces:
                await stream.send_all(piece)

        with trio.fail_after(LIMIT_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_as_far_as_it_goes, send)
                while part := await _receive(stream):
                    received += part
                nursery.cancel_scope.cancel()
    return _VARYING.sub(b"*", bytes(received))


async def _as_far_as_it_goes(send: Callable[[], Awaitable[None]]) -> None:
    """Who refuses a request need not read it to its end."""
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await send()


async def _receive(stream: trio.SocketStream) -> bytes | bytearray:
    try:
        return await stream.receive_some()
    except trio.BrokenResourceError:
        return b""


@asynccontextmanager
async def doors(
    tmp_path: Path, authentication: AuthenticationSettings | None = None, **server: object
) -> AsyncIterator[Doors]:
    def configured(name: str, *, fast_lane: bool) -> Settings:
        made = make_settings(tmp_path / name, fast_lane=fast_lane, **server)
        persistence = msgspec.structs.replace(made.persistence, enabled=False)
        # Which commands are slow says something about the machine, and GET /slowlog would tell.
        kv_store = KvStoreSettings(slowlog_threshold_ms=SLOW_NEVER_MS)
        made = msgspec.structs.replace(made, persistence=persistence, kv_store=kv_store)
        return made if authentication is None else msgspec.structs.replace(made, authentication=authentication)

    async with (
        served(configured("both", fast_lane=True)) as both,
        served(configured("one", fast_lane=False)) as one,
    ):
        yield Doors(both, one)


KINDS = {
    "examples": corpus.examples,
    "errors": corpus.errors,
    "answers": corpus.answers,
    "sets": corpus.sets,
    "strange": corpus.strange,
    "illegal": corpus.illegal,
    "smuggled": corpus.smuggled,
    "pipelines": corpus.pipelines,
}


@pytest.mark.parametrize("requests", KINDS.values(), ids=KINDS.keys())
async def test_the_same_bytes_the_same_answers(tmp_path: Path, requests: Callable[[], Iterator[bytes]]) -> None:
    async with doors(tmp_path, cors_origins=ORIGINS) as both:
        assert await both.differences(requests()) == []


async def test_after_a_request_that_closes_nothing_is_answered(tmp_path: Path) -> None:
    async with doors(tmp_path) as both:
        assert await both.differences(corpus.closing(), last=b"") == []


@pytest.mark.parametrize("requests", [corpus.examples, corpus.answers, corpus.strange])
async def test_the_same_when_it_is_asked_again(tmp_path: Path, requests: Callable[[], Iterator[bytes]]) -> None:
    """On one connection, where header fields are known already; but a deadline that stays is no event, to the ms."""
    async with doors(tmp_path, cors_origins=ORIGINS) as both:
        assert await both.differences(sent * 3 for sent in requests() if b"ttl" not in sent) == []


async def test_sets_are_the_same_when_they_are_asked_again(tmp_path: Path) -> None:
    """Each three times on one connection; that the lane answers the plain ones in one go then, has its own test."""
    async with doors(tmp_path, cors_origins=ORIGINS) as both:
        assert await both.differences(sent * 3 for sent in corpus.sets()) == []
    async with doors(tmp_path) as both:
        assert await both.differences(sent * 3 for sent in corpus.sets()) == []


@pytest.mark.parametrize("requests", [corpus.illegal, corpus.smuggled, corpus.strange, corpus.pipelines])
async def test_the_same_byte_by_byte(tmp_path: Path, requests: Callable[[], Iterator[bytes]]) -> None:
    """The short ones: a byte is a packet."""
    short = (sent for sent in requests() if len(sent) < SHORT_BYTES)
    async with doors(tmp_path) as both:
        assert await both.differences(short, pieces=lambda sent: [bytes([byte]) for byte in sent]) == []


async def test_the_same_with_little_room_for_bodies(tmp_path: Path) -> None:
    """The lane's limit is its own; the configured one is the other door's, and holds for both."""

    def bodies() -> Iterator[bytes]:
        for size in (1023, 1024, 1025, 5_000, 70_000):
            yield request(b"PUT", b"/kv/value/a", body=b"x" * size)
            yield request(b"GET", b"/kv/value/a", body=b"x" * size)
            yield post(b"/kv/set", b'{"key":"a","value":1}'.ljust(size))
            yield request(b"POST", b"/nowhere", body=b"x" * size)

    async with doors(tmp_path, max_body_size_bytes=1024) as both:
        assert await both.differences(bodies()) == []


# --- who asks --------------------------------------------------------------------------------------------


def with_field(sent: bytes, field: bytes) -> bytes:
    return sent.replace(b"host: synap", b"host: synap\r\n" + field, 1)


CREDENTIALS = {
    "nobody": b"x-none: 1",
    "reader": b"x-api-key: reader-key",
    "owner": b"authorization: Bearer owner-key",
    "admin": b"x-api-key: admin-key",
    "user": b"authorization: Basic " + base64.b64encode(b"alice:secret"),
}


def accounts() -> AuthenticationSettings:
    password = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    return AuthenticationSettings(
        enabled=True,
        users=(UserSettings("alice", password, "writer"),),
        api_keys=(
            ApiKeySettings("reader", "reader", key="reader-key"),
            ApiKeySettings("owner", "writer", key="owner-key", prefixes=("app:",)),
            ApiKeySettings("admin", "admin", key="admin-key"),
        ),
    )


@pytest.mark.parametrize("credentials", CREDENTIALS.values(), ids=CREDENTIALS.keys())
async def test_the_same_for_whoever_asks(tmp_path: Path, credentials: bytes) -> None:
    asked = [with_field(sent, credentials) for sent in (*corpus.examples(), *corpus.errors(), *corpus.pipelines())]
    async with doors(tmp_path, accounts(), cors_origins=ORIGINS) as both:
        assert await both.differences(asked) == []


@pytest.mark.parametrize("credentials", CREDENTIALS.values(), ids=CREDENTIALS.keys())
async def test_the_same_for_whoever_sets_again(tmp_path: Path, credentials: bytes) -> None:
    """With a read and what is public in between, which are let in by the same fields."""
    async with doors(tmp_path, accounts(), cors_origins=ORIGINS) as both:
        assert await both.differences(with_field(sent, credentials) * 3 for sent in corpus.sets()) == []
        body = b'{"key":"app:a","value":1}'
        mixed = [
            request(method, path, corpus.JSON, credentials, body=body)
            for method, path in (
                (b"GET", b"/health"),
                (b"POST", b"/kv/set"),
                (b"GET", b"/kv/get/app:a"),
                (b"POST", b"/kv/set"),
                (b"GET", b"/kv/get/a"),
                (b"GET", b"/ready"),
                (b"GET", b"/kv/get/app:a"),
                (b"DELETE", b"/kv/del/app:a"),
            )
        ]
        assert await both.differences([b"".join(mixed) * 3]) == []


@pytest.mark.parametrize(
    "credentials",
    [
        b"x-api-key: reader-key\r\nx-api-key: admin-key",
        b"authorization: Basic !!!",
        b"authorization: Digest a=b",
        b"authorization: Bearer wrong",
        b"x-api-key:",
    ],
)
async def test_the_same_for_who_is_unknown(tmp_path: Path, credentials: bytes) -> None:
    """A few only: who fails often is made to wait, and for how long depends on the time."""
    asked = [corpus.GET, corpus.SET, request(b"HEAD", b"/kv/keys"), post(b"/api/v1/command", {"command": "kv.get"})]
    authentication = AuthenticationSettings(
        enabled=True, api_keys=(ApiKeySettings("reader", "reader", key="reader-key"),)
    )
    async with doors(tmp_path, authentication) as both:
        assert await both.differences([with_field(sent, credentials) for sent in asked]) == []


async def test_the_same_where_a_wrong_password_takes_its_time(tmp_path: Path) -> None:
    password = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    authentication = AuthenticationSettings(enabled=True, users=(UserSettings("alice", password, "reader"),))
    right, wrong = (b"authorization: Basic " + base64.b64encode(b"alice:" + word) for word in (b"secret", b"guess"))
    ask, write = corpus.GET, corpus.SET
    asked = [
        with_field(ask, wrong),
        with_field(ask, right) + with_field(ask, wrong) + with_field(write, right),
        with_field(write, right) + ask + with_field(request(b"OPTIONS", b"/kv/set"), right) + with_field(ask, right),
        with_field(request(b"POST", b"/slowlog/clear"), right),
    ]
    async with doors(tmp_path, authentication) as both:
        assert await both.differences(asked) == []


# --- made requests ---------------------------------------------------------------------------------------

TAIL = corpus.GET * 12 + LAST
"""Behind a made request: longer than the longest body that it may announce, so that none is waited for."""

_text = st.text(st.characters(codec="latin-1"), max_size=6).map(lambda text: text.encode("latin-1"))
_NAMES = b"host content-type content-length connection accept-encoding if-match if-none-match origin cookie te expect"
_names = st.sampled_from([*_NAMES.split(), b"transfer-encoding", b"content-encoding", b"x-a", b"x-a ", b" x-a", b""])
_VALUES = (
    b'synap application/json 0 2 21 300 +2 2,2 keep-alive x gzip * "1" 100-continue chunked https://app.example.com'
)
_values = st.sampled_from([*_VALUES.split(), b"", b" \t", b"a\tb", b"2, 2", b"a\r\n b", b"a\nb", b"a\0"])
_targets = st.one_of(
    st.sampled_from(
        [b"/kv/set", b"/kv/get/a", b"/kv/value/a", b"/kv/keys", b"/kv/mget", b"/health", b"/kv/a/append", b"*"]
    ),
    _text.map(lambda text: b"/kv/get/" + text),
    st.tuples(st.sampled_from([b"touch", b"limit", b"prefix"]), _text).map(lambda pair: b"/kv/keys?%b=%b" % pair),
)
_bodies = st.sampled_from(
    [b"", b"{}", b'{"key":"a","value":1}', b'{"keys":["a"]}', b"0\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\n"]
)


@st.composite
def made_requests(draw: st.DrawFn) -> bytes:
    """Mostly good ones, each with something that may be wrong with it."""
    method = draw(st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"get", b"G(T"]))
    end = draw(st.sampled_from([b"\r\n"] * 9 + [b"\n"]))
    body = draw(_bodies)
    fields = [b"host: synap"] if draw(st.integers(0, 9)) else []
    if method in {b"POST", b"PUT"} or not draw(st.integers(0, 4)):
        fields += [b"content-type: application/json", b"content-length: %d" % len(body)]
    else:
        body = b""
    fields += [
        b"%b:%b%b" % field
        for field in draw(st.lists(st.tuples(_names, st.sampled_from([b"", b" ", b"\t", b"  "]), _values), max_size=3))
    ]
    line = b"%b %b HTTP/%b" % (method, draw(_targets), draw(st.sampled_from([b"1.1"] * 9 + [b"1.2"])))
    return end.join([line, *draw(st.permutations(fields)), b"", body])


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(requests=st.lists(made_requests(), min_size=1, max_size=25))
async def test_made_requests_are_answered_the_same(requests: list[bytes]) -> None:
    async with doors(Path("unused"), cors_origins=ORIGINS) as both:
        assert await both.differences(requests, TAIL) == []
        # Behind each other on one connection, as far as it goes.
        assert await both.differences([b"".join(requests)], TAIL) == []


# --- made bodies -----------------------------------------------------------------------------------------


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(made=st.lists(made_bodies(), min_size=1, max_size=25))
async def test_made_bodies_are_answered_the_same(made: list[bytes]) -> None:
    """One after the other, and again, on one connection: after the first, whatever is plain is written in one go."""
    sets = [post(b"/kv/set", body) for body in made]
    async with doors(Path("unused"), cors_origins=ORIGINS) as both:
        assert await both.differences([b"".join(sets) * 2]) == []
        assert await both.differences(get(b"/kv/get/" + key) for key in (b"a", b"b", b"k" * 1000)) == []


# --- what is not the same --------------------------------------------------------------------------------

DIFFERENCES = {
    "behind a request that closes the connection": (
        corpus.SET.replace(b"host:", b"connection: close\r\nhost:") + corpus.GET,
        (b"200", b"400"),
        # hypercorn answers the first request with 400 for what comes behind it, though it has carried it out. The lane
        # answers it, and looks at nothing behind it (RFC 9112, 9.6).
    ),
}
"""Requests that the doors answer with different statuses, and why."""


@pytest.mark.parametrize(("sent", "statuses"), DIFFERENCES.values(), ids=DIFFERENCES.keys())
async def test_what_is_not_the_same(tmp_path: Path, sent: bytes, statuses: tuple[bytes, bytes]) -> None:
    async with doors(tmp_path) as both:
        ((_, *answers),) = await both.differences([sent], last=b"")
        assert tuple(answer[len(b"HTTP/1.1 ") :][:3] for answer in answers) == statuses
