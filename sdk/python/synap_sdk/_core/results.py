"""What comes back from an operation, where it is more than a value, a flag or a number."""

from dataclasses import dataclass

from synap_sdk._core.values import Value


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of a ``set``; true where it was written.

    ``version`` is what the key is at now; 0 where ``xx`` refused because there is none. ``old`` is what was there
    before, if it was asked for.
    """

    written: bool
    version: int
    old: Value = None

    def __bool__(self) -> bool:
        return self.written


@dataclass(frozen=True, slots=True)
class Versioned:
    """A value, and the version that it is at: the base of compare-and-set."""

    value: Value
    version: int


@dataclass(frozen=True, slots=True)
class KeyPage:
    """Keys that match a pattern, in their order; ``truncated`` where there are more than the limit."""

    keys: tuple[str, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class ScanPage:
    """Some keys in their order; ``cursor`` asks for the next, None at the end."""

    keys: tuple[str, ...]
    cursor: str | None
