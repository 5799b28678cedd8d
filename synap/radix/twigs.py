"""Twigs: how many keys one may hold, and what becomes of it then."""

from synap.radix.nodes import Inner, Leaf, Twig, leaves, mismatch

TWIG_KEYS = 128
"""The most keys in a twig: large enough that twigs are never nearly empty, small enough to be looked through.

What a tree weighs beside its leaves, in bytes a key, with random keys in hex and in base64, on average and at the worst
of all sizes between 20,000 and 1,000,000 keys (right after a burst, keys that go on with 64 values have many a twig for
themselves)::

    most keys in a twig     hex          base64
    1 (a plain radix tree)  113, 125     90, 113
    32                       60,  96     97, 185
    64                       50,  64     71, 151
    128                      44,  51     54, 100
    256                      41,  47     45,  63

Beyond 128 little is left to win, also in time: a new key takes two thirds of what it does in a plain radix tree, with
64 as with 256. But there is more to pay: going on from some key sorts a twig, counting under a long prefix looks
through one (20 microseconds, with 256 up to 90), and a key that comes and goes at the limit bursts and folds one each
time (70 microseconds; less than the request that asks for it).
"""


def burst(twig: Twig) -> Inner:
    """An inner node for the keys of a twig, at the byte where they part, with a twig for each value of that byte.

    There are two such twigs or more, so each is smaller than this one.
    """
    # All keys lie between the first and the last one, and agree on every byte that these agree on.
    first = min(twig)
    parting = mismatch(first, max(twig))
    twigs: dict[bytes, Twig] = {}
    for key, leaf in twig.items():
        twigs.setdefault(key[parting : parting + 1], {})[key] = leaf
    return Inner(first[:parting], len(twig), {**twigs})


def fold(inner: Inner) -> Twig:
    """One twig for all leaves below an inner node."""
    return {leaf.key: leaf for leaf in leaves(inner)}


def starting_with(twig: Twig, prefix: bytes) -> Twig:
    """A twig of those leaves whose keys start with ``prefix``."""
    return {key: leaf for key, leaf in twig.items() if key.startswith(prefix)}


def leaves_from(twig: Twig, start: bytes) -> list[Leaf]:
    """The leaves whose keys are not less than ``start``, the last one first."""
    return [twig[key] for key in sorted(twig, reverse=True) if key >= start]
