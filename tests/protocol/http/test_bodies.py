"""What is told of limits is what those who decide say."""

import msgspec
import pytest

from synap.keyspace.limits import MAX_TTL_MS, Limits
from synap.protocol.http import bodies, ttl
from synap.protocol.http.answers import ErrorBody
from synap.protocol.http.errors import respond_to_error
from synap.protocol.http.openapi.schemas import Schemas
from tests.protocol.http.test_errors import ROWS


def test_limits_are_those_of_the_keyspace() -> None:
    assert ttl.MAX_S * 1000 == MAX_TTL_MS
    assert Schemas().of(bodies.Key)["maxLength"] == Limits().key_max_bytes
    assert Limits().key_max_bytes == 64 * 1024, "which the description of a key says"
    assert Limits().value_max_bytes == 8 * 1024 * 1024, "which that of a value says"


def test_the_shortest_time_that_is_told_is_one() -> None:
    assert ttl.of_text(str(ttl.MIN_S), "ttl") == 1


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row[0]).__name__)
def test_every_error_has_the_described_shape(row: tuple[Exception, ...]) -> None:
    body = respond_to_error(row[0]).body
    told = msgspec.json.decode(body)
    assert set(told) <= set(ErrorBody.__struct_fields__)
    msgspec.json.decode(body, type=ErrorBody)
