"""The server itself: how it is, what it has done, and what an operator may ask of it."""

from msgspec import structs

from synap.errors import SnapshotError, SnapshotNoRoomError, SnapshotsOffError, StreamVersionError
from synap.protocol.http import answers, query, tags
from synap.protocol.http.description import Answer, Content, Field, json_answer
from synap.protocol.http.info import SECTIONS, Info, only
from synap.protocol.http.message import Request, Response, Stream
from synap.protocol.http.render import json_response, stream_response, text_response
from synap.protocol.http.router import Call, call, endpoint
from synap.protocol.http.service import (
    Errand,
    Exposition,
    Health,
    Question,
    Readiness,
    Role,
    SlowEntries,
    Snapshot,
    Stats,
)

_HEALTH = {"status": "healthy", "service": "synap", "version": "1.0.0", "uptime_secs": 86400}
_STATS = {
    "total_keys": 1000,
    "memory_bytes": 412000,
    "total_memory_bytes": 48234496,
    "eviction_policy": "none",
    "operations": {"gets": 2000, "sets": 1000, "dels": 0, "hits": 1900, "misses": 100},
    "hit_rate": 0.95,
    "seq": 1000,
    "expired_keys": 0,
    "uptime_secs": 86400,
    "evicted_keys": 0,
    "max_memory_bytes": None,
}
_SNAPSHOT = {
    "path": "data/snapshot/00000000000000001000.snap",
    "size_bytes": 61440,
    "created_at": "2026-01-01T00:00:00Z",
    "seq": 1000,
    "entries": 1000,
}
_TAKEN = {
    "success": True,
    "message": "the state after seq 1000 is on the disk: 1,000 keys",
    "snapshot_path": _SNAPSHOT["path"],
    "seq": 1000,
}
_WAITING = {"ready": False, "waiting_for": ["recovery"], "recovery_percent": 62.5}
_RETRY_AFTER = Field("Retry-After", "Seconds after which to ask again.", {"type": "integer", "minimum": 0}, "1")


@endpoint(
    tags.SERVER,
    json_answer(Health, _HEALTH),
    structs.replace(json_answer(Health, {**_HEALTH, "status": "failed"}), about="It is not healthy.", status=503),
)
def health(_: Request, __: bytes) -> Call:
    """Say whether the process is alive."""

    def respond(health: Health) -> Response:
        return json_response(health, status=200 if health.status == "healthy" else 503)

    return call(Question(lambda service: service.health(), Role.PUBLIC), respond)


@endpoint(
    tags.SERVER,
    json_answer(answers.Ready, {"ready": True}),
    structs.replace(json_answer(answers.NotReady, _WAITING, status=503), fields=(_RETRY_AFTER,)),
)
def readiness(_: Request, __: bytes) -> Call:
    """Say whether commands would be accepted."""

    def respond(readiness: Readiness) -> Response:
        if readiness.ready:
            return json_response(answers.Ready(ready=True))
        waiting = answers.NotReady(
            ready=False, waiting_for=readiness.waiting_for, recovery_percent=readiness.recovery_percent
        )
        return json_response(waiting, status=503, extra=((b"retry-after", b"%d" % readiness.retry_after_s),))

    return call(Question(lambda service: service.readiness(), Role.PUBLIC), respond)


@endpoint(
    tags.SNAPSHOTS,
    json_answer(answers.SnapshotTaken, _TAKEN),
    errors=(SnapshotError, SnapshotNoRoomError, SnapshotsOffError),
)
def take_snapshot(_: Request, __: bytes) -> Call:
    """Take a snapshot.

    The answer comes when it is durable. It holds all that was acknowledged before.
    """

    def respond(snapshot: Snapshot) -> Response:
        message = f"the state after seq {snapshot.seq} is on the disk: {snapshot.entries:,} keys"
        return json_response(
            answers.SnapshotTaken(success=True, message=message, snapshot_path=snapshot.path, seq=snapshot.seq)
        )

    return call(Errand(lambda service: service.take_snapshot()), respond)


@endpoint(tags.SNAPSHOTS, json_answer(answers.SnapshotsResult, {"snapshots": [_SNAPSHOT]}))
def snapshots(_: Request, __: bytes) -> Call:
    """List the snapshots that a start would use."""

    def respond(found: tuple[Snapshot, ...]) -> Response:
        return json_response(answers.SnapshotsResult(found))

    return call(Question(lambda service: service.snapshots()), respond)


@endpoint(
    tags.SNAPSHOTS,
    Answer(
        "A tar file of a data directory.",
        (Content("application/x-tar"),),
        fields=(
            Field(
                "Content-Disposition",
                "The name of the file.",
                {"type": "string"},
                'attachment; filename="synap-backup.tar"',
            ),
        ),
    ),
    errors=(SnapshotError, SnapshotNoRoomError, SnapshotsOffError, StreamVersionError),
)
def backup(_: Request, __: bytes) -> Call:
    """Copy everything.

    All that was acknowledged before, as a data directory that a server can start from.
    """

    def respond(archive: Stream) -> Response:
        name = (b"content-disposition", b'attachment; filename="synap-backup.tar"')
        return stream_response(archive, b"application/x-tar", (name,))

    return call(Errand(lambda service: service.backup()), respond)


@endpoint(tags.SERVER, json_answer(Stats, _STATS))
def stats(_: Request, __: bytes) -> Call:
    """Tell the state of the store in numbers."""
    return call(Question(lambda service: service.stats(), Role.READER), json_response)


_INFO = {
    "memory": {
        "used_bytes": 412000,
        "resident_bytes": 48234496,
        "virtual_bytes": 201326592,
        "limit_bytes": None,
        "eviction_policy": "none",
    }
}
_SLOW = {
    "entries": [
        {"id": 7, "timestamp": 1767225600, "duration_us": 25100, "command": "set", "args": ["session:1", "(300 bytes)"]}
    ],
    "total": 1,
}

SECTION = query.Choice("section", "Only this section.", choices=SECTIONS, default=None, example="memory")
SLOWLOG_MAX = 10_000
"""More than any slow log is configured to keep."""
SLOWLOG_COUNT = query.Integer("count", "How many at most.", low=1, high=SLOWLOG_MAX, default=SLOWLOG_MAX, example=10)


@endpoint(tags.SERVER, json_answer(Info, _INFO), query=(SECTION,))
def info(request: Request, _: bytes) -> Call:
    """Tell what an operator wants to know.

    All sections, or the one that is asked for: the process, its memory, what was done, the log and its snapshots, the
    keys.
    """
    section = SECTION.of(query.parse(request.query))
    return call(Question(lambda service: service.info()), lambda told: json_response(only(section, told)))


@endpoint(tags.SERVER, json_answer(SlowEntries, _SLOW), query=(SLOWLOG_COUNT,))
def slowlog(request: Request, _: bytes) -> Call:
    """List the commands that took long lately.

    The newest first. Those that took 10 ms or more are kept (`kv_store.slowlog_threshold_ms`), the wait for the disk
    included, and the last 128 of them (`kv_store.slowlog_max_entries`).
    """
    count = SLOWLOG_COUNT.of(query.parse(request.query))
    return call(Question(lambda service: service.slowlog(count)), json_response)


@endpoint(tags.SERVER, json_answer(answers.SlowlogCleared, {"success": True, "cleared": 1}))
def clear_slowlog(_: Request, __: bytes) -> Call:
    """Empty the list of slow commands."""

    def respond(cleared: int) -> Response:
        return json_response(answers.SlowlogCleared(success=True, cleared=cleared))

    return call(Errand(lambda service: service.clear_slowlog()), respond)


@endpoint(tags.SERVER, Answer("Metrics in the text format of Prometheus.", (Content("text/plain", str),)))
def metrics(_: Request, __: bytes) -> Call:
    """Tell the metrics, for Prometheus."""

    def respond(shown: Exposition) -> Response:
        return text_response(shown.body, shown.content_type)

    return call(Question(lambda service: service.metrics(), Role.READER), respond)
