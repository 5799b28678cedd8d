"""The exceptions: the tree is the one that is drawn, and what an error tells, and does not tell."""

import inspect
import pickle
import re

import pytest

import synap_sdk
from support import Flavour, refuse
from synap_sdk import RequestLine, SynapError, VersionMismatch, errors

LINE = RequestLine("POST", "/kv/expire/{key}", "/kv/expire/session%3Asecret")

CLASSES = {name: each for name, each in vars(errors).items() if inspect.isclass(each) and issubclass(each, SynapError)}

BESIDES = {
    "InvalidArgument": ValueError,
    "ClientClosed": RuntimeError,
    "Unreachable": ConnectionError,
    "Disconnected": ConnectionError,
    "DeadlineExceeded": TimeoutError,
}
"""What the standard library would have raised."""


def drawn() -> dict[str, str]:
    """Each class in the drawing, and the one above it."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        matched = re.match(r"    ([│├└─ ]*)([A-Z]\w+)(?:\s|$)", line)
        if matched is None:
            continue
        depth, name = len(matched[1]), matched[2]
        above = [each for each in above if each[0] < depth]
        parents[name] = above[-1][1] if above else ""
        above.append((depth, name))
    return parents


def test_the_tree_is_the_one_that_is_drawn() -> None:
    assert drawn() == {name: "" if each is SynapError else each.__bases__[0].__name__ for name, each in CLASSES.items()}


@pytest.mark.parametrize("name", CLASSES)
def test_an_error(name: str) -> None:
    error = CLASSES[name]("it went wrong", request=LINE, status=418, type="a_type", outcome="unknown")
    assert str(error) == "it went wrong (POST /kv/expire/{key}, 418 a_type)"
    assert "secret" not in repr(error) + str(error) + repr(error.request)
    assert error.request is not None
    assert error.request.path == "/kv/expire/session%3Asecret"
    assert (error.status, error.type, error.outcome, error.attempts) == (418, "a_type", "unknown", 1)
    assert isinstance(error, BESIDES.get(name, SynapError))


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_survives_pickling(name: str) -> None:
    """Errors come back from worker processes."""
    error = CLASSES[name]("it went wrong", request=LINE, status=412, details={"current_version": 4})
    error.attempts = 3
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
    assert type(back) is type(error)
    assert (str(back), back.attempts, back.details) == (str(error), 3, {"current_version": 4})


def test_an_error_with_a_sentence_only() -> None:
    assert str(SynapError("it went wrong")) == "it went wrong"


STATUSES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "BadRequest",
    408: "BadRequest",
    409: "Conflict",
    410: "HistoryTrimmed",
    412: "VersionMismatch",
    413: "TooLarge",
    415: "BadRequest",
    422: "BadRequest",
    429: "RateLimited",
    431: "BadRequest",
    500: "ServerError",
    502: "Unavailable",
    503: "Unavailable",
    504: "Unavailable",
    507: "DiskFull",
}


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_and_its_error(flavour: Flavour, status: int) -> None:
    """Of a write that surely did not happen."""
    client = flavour.client(
        handler=lambda _: refuse(status, "a_type", {"retry-after": "60"}, outcome="not_written", field="ttl", limit=3)
    )
    with pytest.raises(SynapError) as caught:
        flavour.call(client, lambda it: it.kv.expire("session:secret", 60))
    error = caught.value
    assert type(error) is getattr(synap_sdk, STATUSES[status])
    assert (error.status, error.type, error.outcome, error.retry_after_s) == (status, "a_type", "not_written", 60)
    assert isinstance(error, synap_sdk.ResponseError)
    assert error.field == "ttl"
    assert error.details == {"field": "ttl", "limit": 3}
    assert str(error) == f"a sentence (POST /kv/expire/{{key}}, {status} a_type)"


def test_what_a_lost_race_says(flavour: Flavour) -> None:
    client = flavour.client(handler=lambda _: refuse(412, "version_mismatch", current_version=12))
    with pytest.raises(VersionMismatch) as caught:
        flavour.call(client, lambda it: it.kv.set("k", "v", if_version=3))
    assert caught.value.current_version == 12
