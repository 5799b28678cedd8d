import pytest

from synap.errors import InvalidKeyError, VersionMismatchError
from synap.keyspace import Keyspace, Overlay
from synap.keyspace.deciders.look import deadline_of, entry_at, version_of
from tests.keyspace.build import DUE, LIMITS, NOW, PLAIN, TIMED


def test_the_entry_under_a_key(keyspace: Keyspace) -> None:
    overlay = Overlay(keyspace, NOW)
    for if_version in (None, 1):
        assert entry_at(PLAIN, if_version, overlay, LIMITS) == (0, b"old", None, 1)
    for if_version in (None, 0):
        assert entry_at(DUE, if_version, overlay, LIMITS) is None
        assert entry_at(b"missing", if_version, overlay, LIMITS) is None


@pytest.mark.parametrize(
    ("key", "expected", "current"), [(PLAIN, 0, 1), (PLAIN, 2, 1), (DUE, 3, None), (b"x", 1, None)]
)
def test_another_version(keyspace: Keyspace, key: bytes, expected: int, current: int | None) -> None:
    with pytest.raises(VersionMismatchError) as refusal:
        entry_at(key, expected, Overlay(keyspace, NOW), LIMITS)
    assert (refusal.value.expected, refusal.value.current) == (expected, current)


def test_a_key_that_cannot_be(keyspace: Keyspace) -> None:
    with pytest.raises(InvalidKeyError):
        entry_at(b"\xff", None, Overlay(keyspace, NOW), LIMITS)


def test_what_nothing_has(keyspace: Keyspace) -> None:
    timed = keyspace.get(TIMED, NOW)
    assert (version_of(timed), deadline_of(timed)) == (2, NOW + 1000)
    assert (version_of(None), deadline_of(None)) == (0, None)
