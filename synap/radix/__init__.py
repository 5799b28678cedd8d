"""The ordered map of all entries, and the one place that chooses who implements it.

``interface.py`` is the contract. ``tree.py`` is the pure-Python reference, and ``keys.py`` explains its structure; a
compiled twin, ``_radix_c.pyx``, does the same in less time and memory where it was built (see setup.py). The
environment variable ``SYNAP_RADIX`` forces one: ``py`` or ``c``. Unset or empty means the compiled one if it can be
imported, the pure one if not.

Nothing in here knows the rest of Synap.
"""

import importlib
import os
from collections.abc import Callable

from synap.radix.interface import Entry, Item, Tree
from synap.radix.tree import PurePythonTree

__all__ = ["IMPLEMENTATION", "Entry", "Item", "Tree", "new_tree"]

_COMPILED = "synap.radix._radix_c"


def _choose(wanted: str) -> tuple[str, Callable[[], Tree]]:
    """The name of the implementation to use, ``py`` or ``c``, and what makes an empty tree of it.

    Raises ``ImportError`` where the wanted one is absent and ``ValueError`` where there is none of that name.
    """
    if wanted not in {"", "py", "c"}:
        raise ValueError(f"SYNAP_RADIX is {wanted!r}; it may be 'py', 'c', or unset for the best one there is")
    if wanted == "py":
        return "py", PurePythonTree
    try:
        return "c", importlib.import_module(_COMPILED).CompiledTree
    except ModuleNotFoundError as error:
        # Only its absence is forgiven: a twin that is there and does not load must not be passed over in silence.
        if error.name != _COMPILED:
            raise
        if wanted == "c":
            raise ImportError("SYNAP_RADIX is 'c', but the compiled tree was not built", name=_COMPILED) from None
        return "py", PurePythonTree


IMPLEMENTATION, new_tree = _choose(os.environ.get("SYNAP_RADIX", ""))
