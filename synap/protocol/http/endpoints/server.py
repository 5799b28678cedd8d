"""The server itself: how it is, what it has done, and what an operator may ask of it."""

from synap.protocol.http import bodies
from synap.protocol.http.message import Request, Response, Stream
from synap.protocol.http.render import json_response, stream_response, text_response
from synap.protocol.http.router import Call, call
from synap.protocol.http.service import Errand, Exposition, Health, Question, Readiness, Snapshot


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


def take_snapshot(_: Request, __: bytes) -> Call:
    """POST /snapshot."""

    def respond(snapshot: Snapshot) -> Response:
        message = f"the state after seq {snapshot.seq} is on the disk: {snapshot.entries:,} keys"
        return json_response(
            bodies.SnapshotTaken(success=True, message=message, snapshot_path=snapshot.path, seq=snapshot.seq)
        )

    return call(Errand(lambda service: service.take_snapshot()), respond)


def snapshots(_: Request, __: bytes) -> Call:
    """GET /snapshots."""

    def respond(found: tuple[Snapshot, ...]) -> Response:
        return json_response(bodies.SnapshotsResult(found))

    return call(Question(lambda service: service.snapshots()), respond)


def backup(_: Request, __: bytes) -> Call:
    """GET /admin/backup."""

    def respond(archive: Stream) -> Response:
        name = (b"content-disposition", b'attachment; filename="synap-backup.tar"')
        return stream_response(archive, b"application/x-tar", (name,))

    return call(Errand(lambda service: service.backup()), respond)


def stats(_: Request, __: bytes) -> Call:
    """GET /kv/stats."""
    return call(Question(lambda service: service.stats()), json_response)


def metrics(_: Request, __: bytes) -> Call:
    """GET /metrics."""

    def respond(shown: Exposition) -> Response:
        return text_response(shown.body, shown.content_type)

    return call(Question(lambda service: service.metrics()), respond)
