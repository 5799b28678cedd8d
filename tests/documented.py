"""The tables of bytes in a docstring, read as the definition that they are."""

import re
from types import ModuleType


def documented_fields(layout: ModuleType, heading: str) -> list[tuple[int, int]]:
    """Offsets and lengths from the table under a heading of the module's docstring."""
    assert layout.__doc__ is not None
    table = layout.__doc__.split(heading, 1)[1].split("::\n\n", 1)[1].split("\n\n", 1)[0]
    return [(int(offset), int(length)) for offset, length in re.findall(r"^\s*(\d+)\s+(\d+)  ", table, re.MULTILINE)]
