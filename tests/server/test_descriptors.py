"""Room for connections under the limit of file descriptors; the limit itself is simulated."""

import resource

import pytest

from synap.server.descriptors import RESERVED, room_for_connections

INFINITY = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "room", "limit"),
    [
        (1_000_000, 1_000_000, 10_000, None),
        (10_000 + RESERVED, 10_000 + RESERVED, 10_000, None),
        (INFINITY, INFINITY, 10_000, None),
        (1024, 1_000_000, 10_000, 10_000 + RESERVED),
        (1024, INFINITY, 10_000, 10_000 + RESERVED),
        (1024, 4096, 4096 - RESERVED, 4096),
        (1024, 1024, 1024 - RESERVED, 1024),
        (64, 64, 1, 64),
    ],
)
def test_room(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, room: int, limit: int | None) -> None:
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: set_to.append(limits))
    assert room_for_connections(10_000) == room
    assert set_to == ([] if limit is None else [(limit, hard)])


def test_what_is_enough_is_left_as_it_is() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert room_for_connections(1) == 1
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
