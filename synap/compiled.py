"""Compiled twins: modules in C that do what a module in Python does, in less time, where they were built.

Which modules have one stands in setup.py. The one in Python is the reference, and serves where its twin was not built.
``SYNAP_RADIX`` decides for all of them as it does for the tree (see ``radix/__init__.py``): ``py`` is for a program
without any compiled part of its own, ``c`` for one that does not start without them.
"""

import importlib
import os
from types import ModuleType

_VARIABLE = "SYNAP_RADIX"


def twin(name: str) -> ModuleType | None:
    """The compiled module of this full name; None where the one in Python should serve.

    Raises ``ImportError`` where it is absent and must not be, or is there and does not load.
    """
    wanted = os.environ.get(_VARIABLE, "")
    if wanted == "py":
        return None
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Only its absence is forgiven: a twin that is there and does not load must not be passed over in silence.
        if error.name != name:
            raise
        if wanted == "c":
            raise ImportError(f"{_VARIABLE} is 'c', but {name} was not built", name=name) from None
        return None
