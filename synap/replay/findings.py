"""What a verification found, each with its place, and what it counted on the way."""

from enum import StrEnum
from pathlib import Path

import msgspec

from synap.errors import DamagedError
from synap.wal.segment import Torn


class Verdict(StrEnum):
    """What a finding means, the worst last."""

    NOTE = "note"
    """Nothing: something else is there, or was."""
    TORN = "torn"
    """A write that was never finished, nor acknowledged; a server that starts cuts it off."""
    DAMAGED = "damaged"
    """What was durable has changed, or is gone."""


_EXIT_CODES = {Verdict.NOTE: 0, Verdict.TORN: 1, Verdict.DAMAGED: 2}


class Finding(msgspec.Struct, frozen=True):
    """One thing that was found. ``offset`` is a byte position in the file, ``seq`` the first event it is about."""

    verdict: Verdict
    path: Path
    what: str
    seq: int | None = None
    offset: int | None = None


class Findings:
    """All that was found, in the order of the log, and how much was looked at.

    ``events`` were decoded, ``entries`` are those of all snapshots. ``last_seq`` and ``digest`` are of the state at the
    end of the log, where every event that leads to it is there.
    """

    def __init__(self) -> None:
        self.found: list[Finding] = []
        self.segments = self.snapshots = self.events = self.entries = self.size_bytes = 0
        self.last_seq: int | None = None
        self.digest: int | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst of all; a note where nothing is wrong."""
        verdicts = {finding.verdict for finding in self.found}
        return next((verdict for verdict in reversed(Verdict) if verdict in verdicts), Verdict.NOTE)

    @property
    def exit_code(self) -> int:
        """0: whole, 1: only the last write was not finished, 2: damaged."""
        return _EXIT_CODES[self.verdict]

    def note(self, path: Path, what: str) -> None:
        """Something that is no damage."""
        self.found.append(Finding(Verdict.NOTE, path, what))

    def damage(self, error: DamagedError, path: Path | None = None) -> None:
        """What a reader says; ``path`` is where the file really is, if it had to be read under another name."""
        self.damaged(path or error.path, error.reason, error.seq, error.offset)

    def damaged(self, path: Path, what: str, seq: int | None = None, offset: int | None = None) -> None:
        """Something that is not as it was, or not there."""
        # A sequence number of 0 means that the file does not tell.
        self.found.append(Finding(Verdict.DAMAGED, path, what, seq or None, offset))

    def torn(self, tail: Torn, seq: int, path: Path | None = None) -> None:
        """A write that was not finished."""
        what = f"{tail.size:,} bytes of a write that was not finished: {tail.reason}"
        self.found.append(Finding(Verdict.TORN, path or tail.path, what, seq, tail.offset))
