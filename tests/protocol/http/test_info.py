"""The sections of what an operator is told."""

import msgspec
import pytest

from synap.protocol.http.info import SECTIONS, Info, KeyspaceInfo, MemoryInfo, only

INFO = Info(
    keyspace=KeyspaceInfo(3),
    memory=MemoryInfo(used_bytes=1, resident_bytes=2, virtual_bytes=3, limit_bytes=4, eviction_policy="lru"),
)


def test_all_of_them() -> None:
    assert SECTIONS == ("server", "memory", "stats", "persistence", "keyspace")
    assert only(None, INFO) is INFO


@pytest.mark.parametrize("section", ["memory", "keyspace"])
def test_one_section(section: str) -> None:
    told = msgspec.to_builtins(only(section, INFO))
    assert told == {section: msgspec.to_builtins(getattr(INFO, section))}
