"""The table of all routes. A new operation is a row here and a function in ``endpoints``."""

from synap.protocol.http import endpoints
from synap.protocol.http.router import Match, Route, Router

ROUTES = (
    Route("POST", "/kv/set", endpoints.set_value),
    Route("GET", "/kv/get/{key}", endpoints.get),
    Route("DELETE", "/kv/del/{key}", endpoints.delete),
    Route("GET", "/kv/exists/{key}", endpoints.exists),
    Route("POST", "/kv/expire/{key}", endpoints.expire),
    Route("POST", "/kv/persist/{key}", endpoints.persist),
    Route("GET", "/kv/ttl/{key}", endpoints.time_to_live),
    Route("GET", "/kv/keys", endpoints.keys),
    Route("DELETE", "/kv/keys", endpoints.delete_keys),
    Route("GET", "/kv/scan", endpoints.scan),
    Route("GET", "/kv/count", endpoints.count),
    Route("POST", "/kv/mset", endpoints.set_many),
    Route("POST", "/kv/mget", endpoints.get_many),
    Route("POST", "/kv/mdel", endpoints.delete_many),
    Route("GET", "/kv/stats", endpoints.stats),
    Route("GET", "/health", endpoints.health),
    Route("GET", "/ready", endpoints.readiness),
    Route("GET", "/metrics", endpoints.metrics),
)

_router = Router(ROUTES)


def find(method: str, path: bytes) -> Match:
    """The route for a method and a raw path. Raises ``ClientError``."""
    return _router.find(method, path)
