import pytest

from synap.errors import MethodNotAllowedError, UnknownRouteError
from synap.protocol.http import Call, Request
from synap.protocol.http.router import Route, Router, endpoint
from synap.protocol.http.tags import KEYS


@endpoint(KEYS, writes=True)
def nothing(_: Request, __: bytes) -> Call:
    """Do nothing
    at all.

    Now or ever.
    """
    raise AssertionError


def test_the_docstring_is_part_of_the_description() -> None:
    said = nothing.description
    assert (said.summary, said.text, said.tag, said.writes) == ("Do nothing at all", "Now or ever.", KEYS, True)


PATTERNS = [
    ("GET", "/kv/get/{key}"),
    ("DELETE", "/kv/get/{key}"),
    ("GET", "/kv/keys"),
    ("POST", "/kv/{key}/append"),
    ("POST", "/kv/append/{key}"),
    ("GET", "/key/randomkey"),
    ("GET", "/key/{key}/type"),
    ("POST", "/only/post"),
]
router = Router([Route(method, pattern, nothing) for method, pattern in PATTERNS])


@pytest.mark.parametrize(
    ("method", "path", "pattern", "key"),
    [
        ("GET", b"/kv/get/a", "/kv/get/{key}", b"a"),
        ("HEAD", b"/kv/get/a", "/kv/get/{key}", b"a"),
        ("DELETE", b"/kv/get/a", "/kv/get/{key}", b"a"),
        ("GET", b"/kv/get/", "/kv/get/{key}", b""),
        ("GET", b"/kv/get/..", "/kv/get/{key}", b".."),
        ("GET", b"/kv/get/%2e%2E", "/kv/get/{key}", b".."),
        ("GET", b"/kv/get/a%2Fappend", "/kv/get/{key}", b"a/append"),
        ("GET", b"/kv/%67et/a", "/kv/get/{key}", b"a"),
        ("GET", b"/kv/get/get", "/kv/get/{key}", b"get"),
        ("GET", b"/kv/get/append", "/kv/get/{key}", b"append"),
        ("POST", b"/kv/append/append", "/kv/append/{key}", b"append"),
        ("POST", b"/kv/append/a", "/kv/append/{key}", b"a"),
        ("POST", b"/kv/a/append", "/kv/{key}/append", b"a"),
        ("POST", b"/kv/keys/append", "/kv/{key}/append", b"keys"),
        ("POST", b"/kv//append", "/kv/{key}/append", b""),
        ("GET", b"/key/randomkey", "/key/randomkey", b""),
        ("GET", b"/key/randomkey/type", "/key/{key}/type", b"randomkey"),
    ],
)
def test_where_a_path_leads(method: str, path: bytes, pattern: str, key: bytes) -> None:
    match = router.find(method, path)
    assert (match.route.pattern, match.key) == (pattern, key)


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"",
        b"/kv",
        b"/kv/get",
        b"/kv/get/a/b",
        b"/kv/get/a/",
        b"/kv/keys/",
        b"/kv//keys",
        b"/KV/keys",
        b"/" * 10_000,
    ],
)
def test_paths_that_lead_nowhere(path: bytes) -> None:
    with pytest.raises(UnknownRouteError, match="%2F"):
        router.find("GET", path)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", b"/kv/get/a", ("DELETE", "GET", "HEAD")),
        # The path decides: "get" is not taken for a key only because the method would fit there.
        ("POST", b"/kv/get/append", ("DELETE", "GET", "HEAD")),
        ("HEAD", b"/only/post", ("POST",)),
        ("get", b"/kv/keys", ("GET", "HEAD")),
    ],
)
def test_other_methods(method: str, path: bytes, allowed: tuple[str, ...]) -> None:
    with pytest.raises(MethodNotAllowedError, match="allowed here; allowed: ") as caught:
        router.find(method, path)
    assert caught.value.allowed == allowed


def test_a_route_stands_in_the_table_once() -> None:
    with pytest.raises(AssertionError, match="two routes for GET /a"):
        Router([Route("GET", "/a", nothing), Route("GET", "/a", nothing)])
