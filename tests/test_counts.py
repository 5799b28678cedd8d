"""What is counted, in keys; each command with its result, as the store tells them. More of them: ``test_store.py``."""

import pytest

from synap.commands import (
    Command,
    Copy,
    Count,
    Delete,
    DeletePrefix,
    Flush,
    GetDelete,
    GetMany,
    GetTouch,
    Increment,
    Kind,
    Pair,
    Rename,
    Set,
    SetMany,
)
from synap.counts import OperationCounts
from synap.results import Found, Written

SET = Set(key=b"a", kind=Kind.TEXT, value=b"")
PAIRS = (Pair(b"a", Kind.TEXT, b""), Pair(b"b", Kind.TEXT, b""), Pair(b"a", Kind.TEXT, b""))
FOUND = Found(0, b"", None, 1)


@pytest.mark.parametrize(
    ("command", "result", "counts"),
    [
        (SET, Written(written=True, version=1), OperationCounts(sets=1)),
        (SET, Written(written=False, version=1), OperationCounts()),
        (SetMany(PAIRS), True, OperationCounts(sets=3)),
        (SetMany(PAIRS, only_if_absent=True), False, OperationCounts()),
        (Increment(b"a", 0), 0, OperationCounts(sets=1)),
        (Rename(b"a", b"b"), None, OperationCounts(sets=1, dels=1)),
        (Copy(b"a", b"b"), True, OperationCounts(sets=1)),
        (Copy(b"a", b"b"), False, OperationCounts()),
        (GetTouch(b"a", 1), FOUND, OperationCounts(gets=1, hits=1)),
        (GetMany((b"a", b"b")), (None, FOUND), OperationCounts(gets=2, hits=1)),
        (GetDelete(b"a"), FOUND, OperationCounts(gets=1, hits=1, dels=1)),
        (GetDelete(b"a"), None, OperationCounts(gets=1)),
        (Delete(b"a"), False, OperationCounts()),
        (DeletePrefix(b"a"), 7, OperationCounts(dels=7)),
        (Flush(), 7, OperationCounts(dels=7)),
        (Count(b""), 7, OperationCounts()),
    ],
)
def test_what_is_counted(command: Command[object], result: object, counts: OperationCounts) -> None:
    counted = OperationCounts()
    counted.count(command, result)
    assert counted == counts


def test_counts_add_up() -> None:
    counted = OperationCounts(1, 1, 1, 1)
    for _ in range(3):
        counted.count(GetDelete(b"a"), FOUND)
    assert counted == OperationCounts(gets=4, hits=4, sets=1, dels=4)
