"""One function per route: what a request wishes, and how the result is rendered.

Each takes the request and the key of its path, and gives a ``Call``. Nothing here can fail except by a
``ClientError``; nothing here waits.
"""

from msgspec import UNSET, Raw, UnsetType

from synap import commands
from synap.errors import InvalidParameterError, TooLargeError, WrongShapeError
from synap.protocol.http import bodies, query, ttl
from synap.protocol.http.cursor import from_cursor, to_cursor
from synap.protocol.http.message import Request, Response
from synap.protocol.http.precondition import expected_version, refuse_condition
from synap.protocol.http.render import json_response, text_response, value_response
from synap.protocol.http.router import Call, call
from synap.protocol.http.service import Exposition, Health, Question, Readiness
from synap.protocol.http.values import from_json, to_json
from synap.results import Found, KeyPage, Page, TimeLeft, Written

BATCH_MAX_KEYS = 1000
"""A batch is decided as one event in one frame; this many of the largest keys still fit one."""

LIST_MAX_KEYS = 10_000
"""So many keys of a usual size are under a megabyte of JSON; whoever wants more scans."""

SCAN_DEFAULT_KEYS = 100

_NO_DEADLINE, _NO_KEY = -1, -2


# --- one key ---------------------------------------------------------------------------------------------


def set_value(request: Request, _: bytes) -> Call:
    """POST /kv/set."""
    body = bodies.decode(request, bodies.SetBody)
    _check_exclusive(body)
    kind, value = from_json(body.value)
    lifetime = _lifetime(body)
    command = commands.Set(
        key=body.key.encode(),
        kind=kind,
        value=value,
        ttl_ms=lifetime.ttl_ms,
        deadline_ms=lifetime.deadline_ms,
        keep_ttl=body.keepttl,
        only_if_absent=body.nx,
        only_if_present=body.xx,
        return_old=body.get,
        if_version=_if_version(request, body.if_version),
    )

    def respond(written: Written) -> Response:
        old_value = UNSET if written.old is None else to_json(written.old)
        result = bodies.SetResult(
            success=True, key=body.key, written=written.written, version=written.version, old_value=old_value
        )
        return json_response(result)

    return call(command, respond)


def _lifetime(body: bodies.SetBody) -> ttl.Lifetime:
    """What ``expiry`` says, else what ``ttl`` says, else forever."""
    if not isinstance(body.expiry, UnsetType):
        return ttl.of_expiry(body.expiry.type, body.expiry.value)
    return ttl.Lifetime(ttl_ms=_ttl_ms(body.ttl))


def _ttl_ms(given: Raw | UnsetType) -> int | None:
    return None if isinstance(given, UnsetType) else ttl.not_zero(ttl.of_json(given, "ttl"), "ttl")


def _if_version(request: Request, given: int | UnsetType) -> int | None:
    """What the body says, or the headers."""
    expected = expected_version(request)
    if isinstance(given, UnsetType):
        return expected
    if expected is not None:
        raise InvalidParameterError("if_version: not together with If-Match or If-None-Match", field="if_version")
    if given < 0:
        raise WrongShapeError("if_version", "a non-negative integer", "got a negative one")
    return given


def _check_exclusive(body: bodies.SetBody) -> None:
    """Refuse what cannot be meant together."""
    if body.keepttl and not (body.ttl is UNSET and body.expiry is UNSET):
        raise InvalidParameterError("keepttl: not together with ttl or expiry", field="keepttl")
    if body.nx and body.xx:
        raise InvalidParameterError("nx: not together with xx", field="nx")


def get(request: Request, key: bytes) -> Call:
    """GET /kv/get/{key}."""
    touch = query.parse(request.query).get("touch")
    if touch is None:
        return call(commands.Get(key), value_response)
    return call(commands.GetTouch(key, ttl.of_text(touch, "touch")), value_response)


def delete(request: Request, key: bytes) -> Call:
    """DELETE /kv/del/{key}."""
    command = commands.Delete(key, expected_version(request))
    return call(command, lambda deleted: json_response(bodies.DeleteResult(deleted, key.decode())))


def exists(_: Request, key: bytes) -> Call:
    """GET /kv/exists/{key}."""
    return call(commands.Exists(key), lambda there: json_response(bodies.ExistsResult(there)))


def expire(request: Request, key: bytes) -> Call:
    """POST /kv/expire/{key}. A ttl of 0 ends the key at once."""
    body = bodies.decode(request, bodies.TtlBody)
    command = commands.Expire(key, ttl.of_json(body.ttl, "ttl"), expected_version(request))
    return call(command, _deadline_changed)


def persist(request: Request, key: bytes) -> Call:
    """POST /kv/persist/{key}."""
    return call(commands.Persist(key, expected_version(request)), _deadline_changed)


def _deadline_changed(was_there: bool) -> Response:
    return json_response(bodies.DeadlineResult(was_there, was_there))


def time_to_live(_: Request, key: bytes) -> Call:
    """GET /kv/ttl/{key}."""

    def respond(left: TimeLeft) -> Response:
        if not left.exists:
            return json_response(bodies.TtlResult(_NO_KEY, _NO_KEY))
        if left.ms is None:
            return json_response(bodies.TtlResult(_NO_DEADLINE, _NO_DEADLINE))
        return json_response(bodies.TtlResult(left.ms // 1000, left.ms))

    return call(commands.TimeToLive(key), respond)


# --- many keys -------------------------------------------------------------------------------------------


def keys(request: Request, _: bytes) -> Call:
    """GET /kv/keys."""
    parameters = query.parse(request.query)
    pattern = parameters.get("pattern", "*").encode()
    limit = query.integer(parameters, "limit", default=LIST_MAX_KEYS, low=1, high=LIST_MAX_KEYS)

    def respond(page: KeyPage) -> Response:
        return json_response(bodies.KeysResult(_texts(page.keys), page.truncated))

    return call(commands.Keys(pattern, limit), respond)


def delete_keys(request: Request, _: bytes) -> Call:
    """DELETE /kv/keys. The prefix must be given, so that a forgotten parameter never empties the store."""
    refuse_condition(request)
    prefix = query.required(query.parse(request.query), "prefix").encode()
    return call(commands.DeletePrefix(prefix), _deleted)


def scan(request: Request, _: bytes) -> Call:
    """GET /kv/scan."""
    parameters = query.parse(request.query)
    prefix = parameters.get("prefix", "").encode()
    after = from_cursor(parameters.get("cursor"))
    limit = query.integer(parameters, "limit", default=SCAN_DEFAULT_KEYS, low=1, high=LIST_MAX_KEYS)

    def respond(page: Page) -> Response:
        return json_response(bodies.ScanResult(_texts(page.keys), to_cursor(page.next_after)))

    return call(commands.Scan(prefix, after, limit), respond)


def count(request: Request, _: bytes) -> Call:
    """GET /kv/count."""
    prefix = query.parse(request.query).get("prefix", "").encode()
    return call(commands.Count(prefix), lambda n: json_response(bodies.CountResult(n)))


def set_many(request: Request, _: bytes) -> Call:
    """POST /kv/mset."""
    refuse_condition(request)
    body = bodies.decode(request, bodies.PairsBody)
    _check_batch(len(body.pairs))
    pairs = tuple(_pair(pair, f"pairs[{n}]") for n, pair in enumerate(body.pairs))
    return call(commands.SetMany(pairs), lambda _: json_response(bodies.SuccessResult(success=True)))


def _pair(given: bodies.PairBody | tuple[str, Raw], field: str) -> commands.Pair:
    if isinstance(given, tuple):
        key, value = given
        return commands.Pair(key.encode(), *from_json(value))
    ttl_ms = None
    if not isinstance(given.ttl, UnsetType):
        ttl_ms = ttl.not_zero(ttl.of_json(given.ttl, f"{field}.ttl"), f"{field}.ttl")
    return commands.Pair(given.key.encode(), *from_json(given.value), ttl_ms)


def get_many(request: Request, _: bytes) -> Call:
    """POST /kv/mget."""

    def respond(found: tuple[Found | None, ...]) -> Response:
        return json_response(bodies.ValuesResult([to_json(entry) for entry in found]))

    return call(commands.GetMany(_batch_of_keys(request)), respond)


def delete_many(request: Request, _: bytes) -> Call:
    """POST /kv/mdel."""
    refuse_condition(request)
    return call(commands.DeleteMany(_batch_of_keys(request)), _deleted)


def _batch_of_keys(request: Request) -> tuple[bytes, ...]:
    body = bodies.decode(request, bodies.KeysBody)
    _check_batch(len(body.keys))
    return tuple(key.encode() for key in body.keys)


def _check_batch(size: int) -> None:
    if size > BATCH_MAX_KEYS:
        raise TooLargeError("batch", size, BATCH_MAX_KEYS, "keys")


def _deleted(count: int) -> Response:
    return json_response(bodies.DeletedCount(count))


def _texts(found: list[bytes]) -> list[str]:
    """Keys as JSON strings; the keyspace has none that are not UTF-8."""
    return [key.decode() for key in found]


# --- the server itself -----------------------------------------------------------------------------------


def health(_: Request, __: bytes) -> Call:
    """GET /health."""

    def respond(health: Health) -> Response:
        return json_response(health, status=200 if health.status == "healthy" else 503)

    return call(Question(lambda service: service.health()), respond)


def readiness(_: Request, __: bytes) -> Call:
    """GET /ready."""

    def respond(readiness: Readiness) -> Response:
        if readiness.ready:
            return json_response({"ready": True})
        return json_response(
            {
                "ready": False,
                "waiting_for": readiness.waiting_for,
                "recovery_percent": readiness.recovery_percent,
            },
            status=503,
            extra=((b"retry-after", b"%d" % readiness.retry_after_s),),
        )

    return call(Question(lambda service: service.readiness()), respond)


def stats(_: Request, __: bytes) -> Call:
    """GET /kv/stats."""
    return call(Question(lambda service: service.stats()), json_response)


def metrics(_: Request, __: bytes) -> Call:
    """GET /metrics."""

    def respond(shown: Exposition) -> Response:
        return text_response(shown.body, shown.content_type)

    return call(Question(lambda service: service.metrics()), respond)
