"""The table of all routes. A new operation is a row here and a function in ``endpoints``."""

from synap.protocol.http.command.envelope import refuse
from synap.protocol.http.endpoints import (
    batches,
    command,
    deadlines,
    entries,
    events,
    listings,
    names,
    numbers,
    server,
    text,
    values,
)
from synap.protocol.http.openapi.documents import with_documents
from synap.protocol.http.router import Endpoint, Match, Route, Router


def _both_ways(method: str, operation: str, endpoint: Endpoint) -> tuple[Route, Route]:
    """The operation before the key and behind it. Where both could be meant, the router takes the first."""
    return (
        Route(method, f"/kv/{operation}/{{key}}", endpoint),
        Route(method, f"/kv/{{key}}/{operation}", endpoint),
    )


_API = (
    Route("POST", "/kv/set", entries.set_value),
    Route("GET", "/kv/get/{key}", entries.get),
    Route("DELETE", "/kv/del/{key}", entries.delete),
    Route("GET", "/kv/exists/{key}", entries.exists),
    Route("POST", "/kv/expire/{key}", deadlines.expire),
    Route("POST", "/kv/persist/{key}", deadlines.persist),
    Route("GET", "/kv/ttl/{key}", deadlines.time_to_live),
    Route("POST", "/kv/incr/{key}", numbers.incr),
    Route("POST", "/kv/decr/{key}", numbers.decr),
    Route("POST", "/kv/incrby/{key}", numbers.incrby),
    Route("POST", "/kv/decrby/{key}", numbers.decrby),
    *_both_ways("POST", "append", text.append),
    *_both_ways("GET", "getrange", text.getrange),
    *_both_ways("POST", "setrange", text.setrange),
    *_both_ways("POST", "getset", text.getset),
    *_both_ways("GET", "strlen", text.strlen),
    *_both_ways("POST", "getdel", text.getdel),
    Route("PUT", "/kv/value/{key}", values.put),
    Route("GET", "/kv/value/{key}", values.get),
    Route("DELETE", "/kv/value/{key}", values.delete),
    Route("GET", "/key/{key}/type", names.key_type),
    Route("GET", "/key/{key}/exists", names.key_exists),
    Route("POST", "/key/{key}/rename", names.rename),
    Route("POST", "/key/{key}/renamenx", names.renamenx),
    Route("POST", "/key/{key}/copy", names.copy),
    Route("GET", "/key/randomkey", names.random_key),
    Route("GET", "/memory/{key}/usage", names.memory_usage),
    Route("GET", "/kv/keys", listings.keys),
    Route("DELETE", "/kv/keys", listings.delete_keys),
    Route("GET", "/kv/scan", listings.scan),
    Route("GET", "/kv/count", listings.count),
    Route("POST", "/kv/mset", batches.set_many),
    Route("POST", "/kv/msetnx", batches.set_many_if_absent),
    Route("POST", "/kv/mget", batches.get_many),
    Route("POST", "/kv/mdel", batches.delete_many),
    Route("GET", "/events", events.events),
    Route("POST", "/api/v1/command", command.carry_out, refuse),
    Route("GET", "/kv/stats", server.stats),
    Route("GET", "/health", server.health),
    Route("GET", "/ready", server.readiness),
    Route("GET", "/metrics", server.metrics),
    Route("GET", "/info", server.info),
    Route("GET", "/slowlog", server.slowlog),
    Route("POST", "/slowlog/clear", server.clear_slowlog),
    Route("POST", "/snapshot", server.take_snapshot),
    Route("GET", "/snapshots", server.snapshots),
    Route("GET", "/admin/backup", server.backup),
)

ROUTES = with_documents(_API)

_router = Router(ROUTES)


def find(method: str, path: bytes) -> Match:
    """The route for a method and a raw path. Raises ``ClientError``."""
    return _router.find(method, path)
