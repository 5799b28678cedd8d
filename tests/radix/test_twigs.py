from synap.radix.nodes import Inner, Leaf, Twig
from synap.radix.twigs import burst, fold, leaves_from, starting_with


def twig_of(*keys: bytes) -> Twig:
    return {key: Leaf(key, 0, b"", 1) for key in keys}


def test_a_twig_bursts_where_its_keys_part() -> None:
    twig = twig_of(b"abz", b"abc", b"ab", b"abcd")
    inner = burst(twig)
    assert (inner.prefix, inner.depth, inner.count) == (b"ab", 2, 4)
    assert inner.children == {
        b"": {b"ab": twig[b"ab"]},
        b"c": {b"abc": twig[b"abc"], b"abcd": twig[b"abcd"]},
        b"z": {b"abz": twig[b"abz"]},
    }


def test_keys_of_64_kib_part_at_their_last_byte() -> None:
    shared = b"k" * 65_535
    assert burst(twig_of(shared, shared + b"a", shared + b"b")).prefix == shared


def test_fold_undoes_any_number_of_bursts() -> None:
    twig = twig_of(b"a", b"ab", b"abc", b"b")
    inner = burst(twig)
    below = inner.children[b"a"]
    assert not isinstance(below, Inner)
    inner.children[b"a"] = burst(below)
    assert fold(inner) == twig


def test_a_part_of_a_twig_by_prefix_and_by_start() -> None:
    twig = twig_of(b"b", b"ab", b"", b"a", b"aa")
    assert set(starting_with(twig, b"a")) == {b"a", b"aa", b"ab"}
    assert starting_with(twig, b"") == twig
    assert [leaf.key for leaf in leaves_from(twig, b"aa")] == [b"b", b"ab", b"aa"]
    assert len(twig) == 5
