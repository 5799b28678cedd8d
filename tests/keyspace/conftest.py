"""The state that most tests of the keyspace begin with."""

import pytest

from synap.keyspace import Keyspace

from .build import DUE, NOW, PLAIN, TIMED, keyspace_of, put


@pytest.fixture
def keyspace() -> Keyspace:
    """A key without a deadline, one with a deadline ahead, and one whose deadline is this very millisecond."""
    return keyspace_of(put(PLAIN, b"old"), put(TIMED, b"soon", NOW + 1000), put(DUE, b"gone", NOW))
