import pytest

from synap.protocol.http.openapi.role import role_of
from synap.protocol.http.permission import PUBLIC_PATTERNS
from synap.protocol.http.routes import ROUTES
from synap.protocol.http.service import Role

ROLES = {f"{route.method} {route.pattern}": role_of(route) for route in ROUTES}


@pytest.mark.parametrize(
    ("route", "role"),
    [
        ("GET /health", Role.PUBLIC),
        ("GET /docs", Role.PUBLIC),
        ("GET /kv/get/{key}", Role.READER),
        ("POST /kv/mget", Role.READER),
        ("GET /events", Role.READER),
        ("POST /kv/set", Role.WRITER),
        ("DELETE /kv/keys", Role.WRITER),
        ("POST /snapshot", Role.ADMIN),
        ("GET /admin/backup", Role.ADMIN),
    ],
)
def test_roles(route: str, role: Role) -> None:
    assert ROLES[route] == role


def test_what_needs_no_role_is_what_is_public() -> None:
    public = {route.rpartition(" ")[2] for route, role in ROLES.items() if role == Role.PUBLIC}
    assert public == PUBLIC_PATTERNS
