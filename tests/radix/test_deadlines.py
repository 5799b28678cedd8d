import random

import pytest

from synap.radix.check import check
from synap.radix.deadlines import BUCKET_BITS, SPAN_BITS, DeadlineIndex, chain
from synap.radix.nodes import Leaf
from synap.radix.tree import PurePythonTree

BUCKET_MS = 1 << BUCKET_BITS
SPAN_MS = BUCKET_MS << SPAN_BITS
NOON_MS = 1_700_000_000_000 // SPAN_MS * SPAN_MS


def index_of(deadlines_ms: dict[bytes, int]) -> tuple[DeadlineIndex, dict[bytes, Leaf]]:
    index = DeadlineIndex()
    leaves = {key: Leaf(key, 0, b"", 1) for key in deadlines_ms}
    for key, deadline_ms in deadlines_ms.items():
        index.move(leaves[key], deadline_ms)
    return index, leaves


def test_an_empty_index() -> None:
    index = DeadlineIndex()
    assert index.due(2**63, None) == []
    assert index.memory_bytes == 0


def test_leaves_of_one_bucket_are_chained() -> None:
    index, leaves = index_of({b"a": NOON_MS + 3, b"b": NOON_MS + 1, b"c": NOON_MS + BUCKET_MS - 1})
    ((bucket, first),) = index.spans[NOON_MS // SPAN_MS].items()
    assert bucket == NOON_MS // BUCKET_MS
    assert set(chain(first)) == set(leaves.values())
    assert index.bucket_count == 1


def test_a_bucket_and_a_span_end_where_the_next_begin() -> None:
    index, _ = index_of({b"a": NOON_MS - 1, b"b": NOON_MS, b"c": NOON_MS + BUCKET_MS})
    assert [list(buckets) for buckets in index.spans.values()] == [
        [NOON_MS // BUCKET_MS - 1],
        [NOON_MS // BUCKET_MS, NOON_MS // BUCKET_MS + 1],
    ]


@pytest.mark.parametrize("gone", ["abc", "acb", "bac", "bca", "cab", "cba"])
def test_unlinking_the_first_a_middle_and_the_last_leaf_of_a_chain(gone: str) -> None:
    index, leaves = index_of({b"a": 1, b"b": 2, b"c": 3})
    left = {b"a": 1, b"b": 2, b"c": 3}
    for letter in gone:
        key = letter.encode()
        index.move(leaves[key], None)
        del left[key]
        assert leaves[key].before is leaves[key].after is None
        assert leaves[key].deadline_ms is None
        assert index.due(10, None) == sorted(left)
    assert not index.spans
    assert index.memory_bytes == 0


def test_moving_within_a_bucket_keeps_the_chain_and_the_order_exact() -> None:
    index, leaves = index_of({b"a": 1, b"b": 2})
    before = list(chain(index.spans[0][0]))
    index.move(leaves[b"a"], 3)
    assert list(chain(index.spans[0][0])) == before == [leaves[b"b"], leaves[b"a"]]
    assert index.due(2, None) == [b"b"]
    assert index.due(3, None) == [b"b", b"a"]


def test_moving_to_another_bucket_leaves_nothing_behind() -> None:
    index, leaves = index_of({b"a": NOON_MS})
    one_bucket_bytes = index.memory_bytes
    for deadline_ms in [NOON_MS + BUCKET_MS, NOON_MS + SPAN_MS, -1, 0]:
        index.move(leaves[b"a"], deadline_ms)
        assert index.due(deadline_ms, None) == [b"a"]
        assert index.due(deadline_ms - 1, None) == []
        assert index.memory_bytes == one_bucket_bytes


def test_filling_is_moving_all_at_once() -> None:
    source = random.Random(13)
    near = [source.choice([None, NOON_MS + source.randrange(3 * BUCKET_MS)]) for _ in range(50)]
    far = [source.randrange(-SPAN_MS * 20, SPAN_MS * 20) for _ in range(50)]
    deadlines_ms = {b"%d" % number: deadline_ms for number, deadline_ms in enumerate([*near, *far])}
    filled, moved = DeadlineIndex(), DeadlineIndex()
    filled.fill(Leaf(key, 0, b"", 1, deadline_ms) for key, deadline_ms in deadlines_ms.items())
    for key, deadline_ms in deadlines_ms.items():
        moved.move(Leaf(key, 0, b"", 1), deadline_ms)
    assert filled.memory_bytes == moved.memory_bytes
    assert list(filled.spans) == list(moved.spans)
    for now_ms in [-SPAN_MS * 10, 0, NOON_MS, NOON_MS + BUCKET_MS, 2**53]:
        assert filled.due(now_ms, None) == moved.due(now_ms, None)


def test_only_an_empty_index_is_filled() -> None:
    index, _ = index_of({b"a": 1})
    with pytest.raises(AssertionError, match="only an empty index"):
        index.fill([Leaf(b"b", 0, b"", 1, 2)])
    assert index.due(5, None) == [b"a"]


def test_due_takes_whole_buckets_and_part_of_the_last_one() -> None:
    order = [NOON_MS - SPAN_MS, NOON_MS, NOON_MS + 5, NOON_MS + BUCKET_MS, NOON_MS + BUCKET_MS + 1, NOON_MS + SPAN_MS]
    keys = [b"f", b"e", b"d", b"c", b"b", b"a"]
    pairs = list(zip(keys, order, strict=True))
    random.Random(3).shuffle(pairs)
    index, _ = index_of(dict(pairs))
    for position, deadline_ms in enumerate(order):
        assert index.due(deadline_ms, None) == keys[: position + 1]
        assert index.due(deadline_ms - 1, None) == keys[:position]
    limited = [index.due(2**53, limit) for limit in range(8)]
    assert [len(found) for found in limited] == [0, 1, 2, 3, 4, 5, 6, 6]
    assert all(found == sorted(found, key=keys.index) for found in limited)
    assert (limited[1], limited[3], set(limited[4]) - set(limited[3]) <= {b"c", b"b"}) == (keys[:1], keys[:3], True)


def test_due_with_a_limit_reads_no_bucket_it_does_not_need() -> None:
    index, leaves = index_of({b"a": 1, b"b": BUCKET_MS, b"c": SPAN_MS})
    # A chain that leads back to itself would never end.
    leaves[b"b"].after = leaves[b"b"]
    assert index.due(2**53, 1) == [b"a"]
    assert index.due(2, None) == [b"a"]


def test_buckets_stay_as_few_as_the_leaves_however_often_these_move() -> None:
    tree = PurePythonTree()
    source = random.Random(7)
    for _ in range(20_000):
        deadline_ms = NOON_MS + source.randrange(SPAN_MS * 3000)
        tree.put(b"%d" % source.randrange(50), 0, b"", source.choice([None, deadline_ms]), 1)
    assert len(tree.by_deadline.spans) <= tree.by_deadline.bucket_count <= 50
    check(tree)
