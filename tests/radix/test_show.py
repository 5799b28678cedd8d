import re
import textwrap

import synap.radix.keys
import synap.radix.show
from synap.radix.show import show
from synap.radix.tree import PurePythonTree


def drawings(docstring: str | None) -> list[str]:
    """The literal blocks of a docstring."""
    assert docstring is not None
    return [textwrap.dedent(block).rstrip() for block in re.findall(r"::\n\n((?:    .*\n)+)", docstring)]


def put(tree: PurePythonTree, *keys: bytes) -> str:
    for key in keys:
        tree.put(key, 0, b"", None, 1)
    return show(tree)


def test_the_drawings_that_explain_the_tree_are_true() -> None:
    tree = PurePythonTree(twig_keys=2)
    story = [
        put(tree, b"ann:cart", b"ann:cards"),
        put(tree, b"ann:login"),
        put(tree, b"ann:theme"),
        put(tree, b"bob"),
        put(tree, b"bobby", b"bobcat"),
    ]
    tree.delete_prefix(b"ann")
    story.append(show(tree))
    tree.delete(b"bobcat")
    story.append(show(tree))
    assert drawings(synap.radix.keys.__doc__) == story


def test_the_legend_is_true() -> None:
    drawn = put(PurePythonTree(twig_keys=2), b"ann", b"ann:cart", b"annals", b"anna")
    (legend,) = drawings(synap.radix.show.__doc__)
    assert [line[:25].rstrip() for line in legend.splitlines()] == drawn.splitlines()


def test_an_empty_tree_and_a_single_key() -> None:
    tree = PurePythonTree()
    assert not show(tree)
    assert put(tree, b"only") == "'only'"


def test_bytes_that_cannot_be_printed_are_escaped() -> None:
    tree = PurePythonTree(twig_keys=1)
    assert put(tree, b"\x00", b"\xff'", b"").splitlines() == [
        "3 keys '…'",
        "├ end ─ ''",
        "├ \\x00 ─ '\\x00'",
        '└ \\xff ─ "\\xff\'"',
    ]
    assert put(tree, b"\xff'\x01").splitlines()[-3:] == [
        '└ \\xff ─ 2 keys "\\xff\'…"',
        '         ├ end ─ "\\xff\'"',
        '         └ \\x01 ─ "\\xff\'\\x01"',
    ]


def test_a_deep_tree_is_drawn_without_a_stack() -> None:
    tree = PurePythonTree(twig_keys=1)
    assert len(put(tree, *(b"a" * size for size in range(1500, 0, -1))).splitlines()) == 2 * 1500 - 1
