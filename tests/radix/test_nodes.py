import pytest

from synap.radix.nodes import DICT_BYTES, GROWTH_BYTES, Inner, Leaf, Node, leaves, mismatch, size, walk


def twig_of(*keys: bytes) -> dict[bytes, Leaf]:
    return {key: Leaf(key, 0, b"", 1) for key in keys}


def test_walk_comes_by_parents_before_their_children_and_leaves_are_those_of_all_twigs() -> None:
    children: dict[bytes, Node] = {b"": twig_of(b"a"), b"b": twig_of(b"ab", b"abc")}
    inner = Inner(b"a", 3, children)
    first, *rest = walk(inner)
    assert first is inner
    assert all(node in children.values() for node in rest)
    assert len(rest) == 2
    assert sorted(leaf.key for leaf in leaves(inner)) == [b"a", b"ab", b"abc"]
    assert [size(node) for node in (inner, *children.values())] == [3, 1, 2]


def test_the_label_of_a_key_is_its_byte_after_the_prefix_or_its_end() -> None:
    inner = Inner(b"ab", 0, {})
    assert [inner.label(key) for key in (b"abc", b"abcd", b"ab\xff", b"ab")] == [b"c", b"c", b"\xff", b""]


def test_growth_adds_up_to_the_weight_of_a_dict() -> None:
    assert DICT_BYTES[0] == GROWTH_BYTES[0] == 0
    assert [sum(GROWTH_BYTES[: number + 1]) for number in range(258)] == list(DICT_BYTES)


@pytest.mark.parametrize(
    ("one", "other", "position"),
    [
        (b"", b"", 0),
        (b"", b"a", 0),
        (b"a", b"b", 0),
        (b"same", b"same", 4),
        (b"same", b"same and more", 4),
        (b"\x00\x00\x00", b"\x00\x00\x01", 2),
        (b"\x00\x00", b"\x00\x80", 1),
        (b"\xff\x7f\xff", b"\xff\xff\xff", 1),
        (b"ab" * 32_768, b"ab" * 32_767 + b"ac", 65_535),
    ],
)
def test_mismatch(one: bytes, other: bytes, position: int) -> None:
    assert mismatch(one, other) == mismatch(other, one) == position
