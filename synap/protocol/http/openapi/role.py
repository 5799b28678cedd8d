"""Which role a route needs at least: that with which its example would be granted."""

from synap.errors import NotPermittedError
from synap.protocol.http.message import Request
from synap.protocol.http.openapi.example import example_of
from synap.protocol.http.permission import Grant, check
from synap.protocol.http.router import Route
from synap.protocol.http.service import Role, Wish


def role_of(route: Route) -> Role:
    """The least of the roles; what a request adds to the example may need more."""
    example = example_of(route)
    path, _, query = example.target.encode().partition(b"?")
    fields = () if example.content_type is None else ((b"content-type", example.content_type.encode()),)
    request = Request(example.method, path, query, fields, example.body)
    wish = route.endpoint.handle(request, route.endpoint.description.tag.key.encode()).wish
    return next(role for role in Role if _is_enough(role, wish))


def _is_enough(role: Role, wish: Wish[object]) -> bool:
    try:
        check(Grant(role.name, role), wish)
    except NotPermittedError:
        return False
    return True
