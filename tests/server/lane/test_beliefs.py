"""What is believed of requests: exactly what the long way would say to them, and not for long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.accounts import ApiKeySettings, AuthenticationSettings
from synap.clock import ManualClock
from synap.commands import Get, Kind, Set
from synap.protocol.http import Headers, Request, Response, find
from synap.protocol.http.permission import ANYBODY, NOBODY, Grant
from synap.protocol.http.render import json_response
from synap.protocol.http.service import Role
from synap.server.authentication import Authentication
from synap.server.exchange import Admitted, Exchange, Head
from synap.server.lane.beliefs import Belief, Beliefs
from synap.server.lane.framing import KNOWN_MAX, Fields, KnownFields
from synap.server.lane.patience import Patience
from synap.server.service import StoreService
from synap.telemetry import Metrics
from tests.server.lane.scene import HERE, OF_A_PAGE, PAGE, PLAIN, lasting

ELSEWHERE = "192.0.2.2"
ORIGINS = frozenset({PAGE})
KEYS = (b"a", b"app:a", b"b:a")
"""Under the prefixes of the grants, and under none of them."""

READER = Grant("reader", Role.READER)
WRITER = Grant("writer", Role.WRITER)
ENDING = Grant("ending", Role.ADMIN, ends_ms=2_000_000_000_000)


@pytest.fixture
async def patience() -> Patience:
    """Whose clock is looked at by hand."""
    return Patience()


@pytest.fixture
def exchange() -> Exchange:
    return Exchange(StoreService(Metrics()), origins=ORIGINS)


@pytest.fixture
def beliefs(exchange: Exchange, patience: Patience) -> Beliefs:
    return Beliefs(exchange, patience)


def believed(exchange: Exchange, headers: Headers, grant: Grant) -> Belief | None:
    beliefs, fields = Beliefs(exchange, Patience()), lasting(headers)
    beliefs.note(fields, HERE, grant)
    return beliefs.of(fields, HERE)


def is_let_through(exchange: Exchange, headers: Headers, grant: Grant, wish: Get | Set) -> bool:
    """Whether the long way makes this wish, no more and no less, of the request that means it."""
    if isinstance(wish, Set):
        method, path, body = "POST", b"/kv/set", b'{"key":"%b","value":1}' % wish.key
    else:
        method, path, body = "GET", b"/kv/get/" + wish.key, b""
    admitted = Admitted(find(method, path), grant)
    call = exchange.call_of(admitted, Request(method, path, b"", headers, body))
    return not isinstance(call, Response) and call.wish == wish


def may_all(exchange: Exchange, headers: Headers, grant: Grant) -> tuple[bool, bool]:
    """Whether the long way lets reads, and writes, of any key through."""
    reads = [is_let_through(exchange, headers, grant, Get(key)) for key in KEYS]
    writes = [is_let_through(exchange, headers, grant, Set(key=key, kind=Kind.JSON, value=b"1")) for key in KEYS]
    return all(reads), all(writes)


# --- who asks --------------------------------------------------------------------------------------------

GRANTS = {
    "anybody": (ANYBODY, (True, True)),
    "an admin": (Grant("admin", Role.ADMIN), (True, True)),
    "a writer": (WRITER, (True, True)),
    "a reader": (READER, (True, False)),
    "nobody": (NOBODY, (False, False)),
    "an admin of some keys": (Grant("owner", Role.ADMIN, (b"app:",)), (False, False)),
    "a writer of some keys": (Grant("owner", Role.WRITER, (b"app:", b"b:")), (False, False)),
    "a reader of some keys": (Grant("owner", Role.READER, (b"app:",)), (False, False)),
}


@pytest.mark.parametrize(("grant", "may"), GRANTS.values(), ids=GRANTS.keys())
async def test_whoever_may_read_and_write_every_key_is_believed(
    exchange: Exchange, grant: Grant, may: tuple[bool, bool]
) -> None:
    belief = believed(exchange, PLAIN, grant)
    assert belief is not None
    assert belief.grant is grant
    assert (belief.may_read, belief.may_write) == may == may_all(exchange, PLAIN, grant)


async def test_fields_that_do_not_come_again_cost_next_to_nothing(patience: Patience) -> None:
    """As those of clients that trace each request: what they would mean is found out for the second one only."""
    looked_at: list[Headers] = []

    class Watched(Exchange):
        def expose(self, headers: Headers, response: Response) -> Response:
            looked_at.append(headers)
            return super().expose(headers, response)

    beliefs = Beliefs(Watched(StoreService(Metrics()), origins=ORIGINS), patience)
    traced = [lasting((*PLAIN, (b"traceparent", b"%d" % number))) for number in range(3)]
    for fields in traced:
        beliefs.note(fields, HERE, ANYBODY)
    assert looked_at == []
    assert beliefs.of(traced[1], HERE) is beliefs.of(traced[1], HERE) is not None
    assert looked_at == [traced[1].headers]


async def test_a_grant_that_ends_is_looked_at_each_time(exchange: Exchange) -> None:
    assert believed(exchange, PLAIN, ENDING) is None


async def test_the_keys_of_a_configuration(patience: Patience) -> None:
    """As they are let in: what is believed is what their accounts say."""
    settings = AuthenticationSettings(
        enabled=True,
        api_keys=(
            ApiKeySettings("reader", "reader", key="reader-key"),
            ApiKeySettings("writer", "writer", key="writer-key"),
            ApiKeySettings("owner", "writer", key="owner-key", prefixes=("app:",)),
        ),
    )
    exchange = Exchange(StoreService(Metrics()), Authentication(settings, ManualClock(), Metrics()))
    beliefs, found = Beliefs(exchange, patience), []
    for key in (b"reader-key", b"writer-key", b"owner-key"):
        fields = lasting((*PLAIN, (b"x-api-key", key)))
        entered = exchange.enter_at_once(Head("GET", b"/kv/get/a", fields.headers, HERE))
        assert isinstance(entered, Admitted)
        beliefs.note(fields, HERE, entered.grant)
        belief = beliefs.of(fields, HERE)
        assert belief is not None
        found.append((belief.may_read, belief.may_write))
    assert found == [(True, False), (True, True), (False, False)]


async def test_what_is_public_says_nothing_of_the_rest(beliefs: Beliefs) -> None:
    """Who asked for /health was nobody; the next request with the same fields says who it is."""
    fields = lasting(PLAIN)
    for grant, may in (
        (NOBODY, (False, False)),
        (READER, (True, False)),
        (NOBODY, (False, False)),
        (WRITER, (True,) * 2),
    ):
        beliefs.note(fields, HERE, grant)
        belief = beliefs.of(fields, HERE)
        assert belief is not None
        assert (belief.grant, (belief.may_read, belief.may_write)) == (grant, may)


# --- what the fields say ---------------------------------------------------------------------------------

HOST = (b"host", b"synap:15500")
JSON = (b"content-type", b"application/json")
FIELDS = {
    "nothing": ((), False),
    "json": ((JSON,), True),
    "json in capitals": (((b"content-type", b"Application/JSON"),), True),
    "json in utf-8": (((b"content-type", b"application/json; charset=utf-8"),), True),
    "json in UTF-8, in quotes": (((b"content-type", b'application/json;charset="UTF-8"'),), True),
    "json in another charset": (((b"content-type", b"application/json; charset=latin-1"),), False),
    "json with a parameter": (((b"content-type", b"application/json; profile=x"),), True),
    "a form": (((b"content-type", b"application/x-www-form-urlencoded"),), False),
    "text": (((b"content-type", b"text/plain"),), False),
    "an empty type": (((b"content-type", b""),), False),
    "two types": (((b"content-type", b"text/plain"), JSON), False),
    "two types, json first": ((JSON, (b"content-type", b"text/plain")), True),
    "compressed": ((JSON, (b"content-encoding", b"gzip")), False),
    "compressed by two": ((JSON, (b"content-encoding", b"identity, gzip")), False),
    "not compressed": ((JSON, (b"content-encoding", b"Identity")), True),
    "no encoding": ((JSON, (b"content-encoding", b"")), True),
    "the same origin": ((JSON, (b"origin", b"http://synap:15500")), True),
    "the same origin, encrypted": ((JSON, (b"origin", b"https://synap:15500")), True),
    "another port": ((JSON, (b"origin", b"http://synap:80")), False),
    "a configured origin": ((JSON, (b"origin", PAGE)), True),
    "a configured origin in capitals": ((JSON, (b"origin", PAGE.upper())), False),
    "another origin": ((JSON, (b"origin", b"https://evil.example")), False),
    "no origin": ((JSON, (b"origin", b"null")), False),
    "an empty origin": ((JSON, (b"origin", b"")), False),
    "two origins": ((JSON, (b"origin", b"https://evil.example"), (b"origin", PAGE)), False),
    "from this site": ((JSON, (b"sec-fetch-site", b"same-origin")), True),
    "from nowhere": ((JSON, (b"sec-fetch-site", b"none")), True),
    "from a site near by": ((JSON, (b"sec-fetch-site", b"same-site")), False),
    "from another site": ((JSON, (b"sec-fetch-site", b"cross-site")), False),
    "from another site that is configured": ((JSON, (b"origin", PAGE), (b"sec-fetch-site", b"cross-site")), True),
    "a version": ((JSON, (b"if-match", b'"1"')), False),
    "any version": ((JSON, (b"if-match", b"*")), False),
    "an empty version": ((JSON, (b"if-match", b"")), False),
    "no version": ((JSON, (b"if-none-match", b"*")), False),
    "not this version": ((JSON, (b"if-none-match", b'"1"')), False),
    "two conditions": ((JSON, (b"if-match", b'"1"'), (b"if-none-match", b"*")), False),
    "a date": ((JSON, (b"if-modified-since", b"Thu, 01 Jan 1970 00:00:00 GMT")), True),
}


@pytest.mark.parametrize(("headers", "may_write"), FIELDS.values(), ids=FIELDS.keys())
async def test_a_plain_write_is_one_that_the_long_way_takes_as_such(
    exchange: Exchange, headers: Headers, may_write: bool
) -> None:
    """Reads are let through with any of them: no field makes a read another one."""
    belief = believed(exchange, (HOST, *headers), WRITER)
    assert belief is not None
    assert (belief.may_read, belief.may_write) == (True, may_write)
    assert may_all(exchange, (HOST, *headers), WRITER) == (True, may_write)


_fields = st.sampled_from(sorted({field for headers, _ in FIELDS.values() for field in headers}))


@given(
    headers=st.lists(_fields, max_size=5),
    grant=st.sampled_from([grant for grant, _ in GRANTS.values()]),
    origins=st.sampled_from([frozenset[bytes](), ORIGINS]),
)
async def test_whatever_comes_together_the_long_way_says_the_same(
    headers: list[tuple[bytes, bytes]], grant: Grant, origins: frozenset[bytes]
) -> None:
    exchange = Exchange(StoreService(Metrics()), origins=origins)
    belief = believed(exchange, (HOST, *headers), grant)
    assert belief is not None
    assert (belief.may_read, belief.may_write) == may_all(exchange, (HOST, *headers), grant)


@pytest.mark.parametrize("origins", [frozenset[bytes](), ORIGINS], ids=["nobody's", "a page's"])
@pytest.mark.parametrize(
    ("headers", "lines"), [(PLAIN, 1), (OF_A_PAGE, 3), ((*PLAIN, (b"origin", b"https://evil.example")), 1)]
)
async def test_what_a_page_needs_to_read_an_answer(origins: frozenset[bytes], headers: Headers, lines: int) -> None:
    exchange = Exchange(StoreService(Metrics()), origins=origins)
    belief = believed(exchange, headers, ANYBODY)
    assert belief is not None
    plain = json_response(None)
    added = exchange.expose(headers, plain).headers[len(plain.headers) :]
    assert belief.extra == b"".join(b"%b: %b\r\n" % field for field in added)
    assert belief.extra.count(b"\r\n") == (lines if origins else 0)
    assert (b"access-control-allow-origin: " + PAGE in belief.extra) == (lines == 3 and bool(origins))


# --- for how long ----------------------------------------------------------------------------------------


async def test_nothing_is_believed_at_first(beliefs: Beliefs) -> None:
    assert beliefs.of(lasting(PLAIN), HERE) is None


async def test_when_the_clock_is_looked_at_it_ends(beliefs: Beliefs, patience: Patience) -> None:
    fields = lasting(PLAIN)
    beliefs.note(fields, HERE, ANYBODY)
    assert beliefs.of(fields, HERE) is not None
    patience.now_s += 1
    assert beliefs.of(fields, HERE) is None
    beliefs.note(fields, HERE, ANYBODY)
    assert beliefs.of(fields, HERE) is not None


async def test_to_be_let_in_again_does_not_make_it_last_longer(beliefs: Beliefs, patience: Patience) -> None:
    fields = lasting(PLAIN)
    beliefs.note(fields, HERE, READER)
    first = beliefs.of(fields, HERE)
    beliefs.note(fields, HERE, READER)
    assert beliefs.of(fields, HERE) is first
    patience.now_s += 1
    beliefs.note(lasting(PLAIN), ELSEWHERE, READER)
    assert beliefs.of(fields, HERE) is None


async def test_what_is_noted_after_the_clock_was_looked_at_is_believed(beliefs: Beliefs, patience: Patience) -> None:
    """Also where nobody has asked in between."""
    patience.now_s += 1
    fields = lasting(PLAIN)
    beliefs.note(fields, HERE, ANYBODY)
    assert beliefs.of(fields, HERE) is not None


async def test_it_is_of_that_address_only(beliefs: Beliefs) -> None:
    fields = lasting(PLAIN)
    beliefs.note(fields, HERE, WRITER)
    assert beliefs.of(fields, ELSEWHERE) is None
    beliefs.note(fields, ELSEWHERE, READER)
    here, elsewhere = beliefs.of(fields, HERE), beliefs.of(fields, ELSEWHERE)
    assert here is not None
    assert elsewhere is not None
    assert (here.may_write, elsewhere.may_write) == (True, False)


async def test_it_is_of_those_fields_only(beliefs: Beliefs) -> None:
    """Of that object: what other bytes mean is for ``framing`` to say, even where it is the same."""
    fields = lasting(PLAIN)
    beliefs.note(fields, HERE, ANYBODY)
    assert beliefs.of(lasting(PLAIN), HERE) is None
    head = b"GET / HTTP/1.1\r\nhost: synap\r\n\r\n"
    known, line_end = KnownFields(), head.index(b"\r\n")
    beliefs.note(known.of(head, line_end, len(head)), HERE, ANYBODY)
    assert beliefs.of(known.of(head, line_end, len(head)), HERE) is not None


async def test_nothing_is_believed_of_fields_that_are_not_known_again(beliefs: Beliefs) -> None:
    fields = Fields(PLAIN)
    beliefs.note(fields, HERE, ANYBODY)
    assert beliefs.of(fields, HERE) is None
    assert beliefs._held == {}


async def test_so_much_is_believed_at_the_most(beliefs: Beliefs) -> None:
    every = [lasting(PLAIN) for _ in range(KNOWN_MAX)]
    for fields in every:
        beliefs.note(fields, HERE, READER)
    assert all(beliefs.of(fields, HERE) is not None for fields in every)
    last = lasting(PLAIN)
    beliefs.note(last, HERE, READER)
    assert len(beliefs._held) == 1
    assert beliefs.of(last, HERE) is not None


async def test_of_many_addresses_no_more(beliefs: Beliefs) -> None:
    fields = lasting(PLAIN)
    for number in range(KNOWN_MAX + 10):
        beliefs.note(fields, f"192.0.2.{number}", READER)
    assert len(beliefs._held) == 10
