from synap.radix.nodes import Inner, Leaf, leaves
from synap.radix.order import children_from, key_at, seek
from synap.radix.tree import PurePythonTree


def test_children_come_last_first() -> None:
    children = {label: {label: Leaf(label, 0, b"", 1)} for label in (b"b", b"", b"c", b"a")}
    inner = Inner(b"", 4, {**children})
    assert children_from(inner, b"b") == [children[b"c"], children[b"b"]]
    assert children_from(inner, b"") == [children[b"c"], children[b"b"], children[b"a"], children[b""]]


def test_nodes_wait_as_they_are_until_their_turn_comes() -> None:
    tree = PurePythonTree(twig_keys=2)
    for key in (b"a1", b"a2", b"a3", b"b", b"c1", b"c2", b"c3"):
        tree.put(key, 0, b"", None, 1)
    root = tree.by_key.root
    assert isinstance(root, Inner)
    later = [root.children[b"c"], root.children[b"b"]]
    assert seek(root, b"a3") == [*later, tree.by_key.find(b"a3")]
    assert seek(root, b"a4") == seek(root, b"az") == later
    assert seek(root, b"B") == seek(root, b"") == [*later, root.children[b"a"]]
    assert seek(root, b"d") == seek({}, b"") == []


def test_a_position_is_found_without_a_walk() -> None:
    tree = PurePythonTree()
    for number in range(10_000):
        tree.put(b"%04d" % number, 0, b"", None, 1)
    # Whatever lies in other twigs is not looked at.
    for leaf in leaves(tree.by_key.root):
        if not leaf.key.startswith(b"70"):
            leaf.key = b"poison"
    assert key_at(tree.by_key.root, 7042) == b"7042"


def test_iteration_seeks() -> None:
    tree = PurePythonTree()
    for number in range(10_000):
        tree.put(b"%04d" % number, 0, b"", None, 1)
    # A start that had to be searched for from the front would read these leaves.
    for leaf in leaves(tree.by_key.root):
        if leaf.key < b"5":
            leaf.key = b"poison"
    assert list(tree.keys(b"", b"9998")) == [b"9998", b"9999"]
