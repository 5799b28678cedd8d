import pytest

from synap.commands import Increment
from tests.protocol.http.support import answered, refused, wish


@pytest.mark.parametrize(
    ("target", "body", "amount"),
    [
        ("/kv/incr/a", b"", 1),
        ("/kv/decr/a", b"", -1),
        ("/kv/incr/a", b"not JSON", 1),
        ("/kv/incrby/a", {"amount": 5}, 5),
        ("/kv/incrby/a", {"amount": -5}, -5),
        ("/kv/decrby/a", {"amount": 5}, -5),
        ("/kv/decrby/a", {"amount": -(2**63)}, 2**63),
        ("/kv/incrby/a", {"amount": 10**30}, 10**30),
    ],
)
def test_counting(target: str, body: object, amount: int) -> None:
    assert wish("POST", target, body) == Increment(b"a", amount)
    assert answered("POST", target, -7, body) == {"value": -7}


@pytest.mark.parametrize("operation", ["incrby", "decrby"])
@pytest.mark.parametrize("body", [{}, {"amount": "5"}, {"amount": 1.5}, {"amount": True}, {"amount": None}])
def test_an_amount_is_an_integer(operation: str, body: object) -> None:
    assert refused("POST", f"/kv/{operation}/a", body)[:2] == (422, "amount")
