from collections.abc import Sequence
from typing import final

from synap.rows import Entry, Kind

@final
class Decoder:
    def __init__(self, kinds: Sequence[Kind], /) -> None: ...
    def decode(self, payload: bytes, /) -> list[object] | None: ...

def look_over(entries: list[Entry], before: bytes | None) -> tuple[int, bool]: ...
