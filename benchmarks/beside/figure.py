"""One figure beside another: the runs of both sides, in the order in which they took turns, and what is to be reached.

The ratio of a run is ours divided by the peer's of the same turn, whether much or little is good.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.figures import spread


class Goal(msgspec.Struct, frozen=True):
    """What is to be reached, at least or at most, by the median of the ratios, or of our own figures.

    ``floor`` is what may do instead of ``at_least``.
    """

    at_least: float | None = None
    at_most: float | None = None
    floor: float | None = None
    of_ours: bool = False

    def verdict(self, value: float) -> str:
        """Whether such a median reaches it: yes, no, or "floor" where it is only not below that."""
        if self.at_most is not None and value > self.at_most:
            return "no"
        if self.at_least is None or value >= self.at_least:
            return "yes"
        return "floor" if self.floor is not None and value >= self.floor else "no"

    def __str__(self) -> str:
        parts = []
        if self.at_least is not None:
            parts.append(f"{self.at_least:,.10g} or more")
        if self.at_most is not None:
            parts.append(f"{self.at_most:,.10g} or less")
        if self.floor is not None:
            parts.append(f"floor {self.floor:,.10g}")
        return ("ours " if self.of_ours else "") + ", ".join(parts)


class Settings(msgspec.Struct, frozen=True):
    """How it was measured: sessions in the store, and the length of a run in seconds."""

    sessions: int
    seconds: float


class Figure(msgspec.Struct, frozen=True):
    """What the runs gave. ``peer`` is empty where there is nothing to compare with.

    ``plot`` names the picture that it is drawn in, in which the sides bear the names ``ours_name`` and ``peer_name``;
    ``notes`` are sentences about this measurement. ``case`` is what measured it, among results.
    """

    name: str
    unit: str
    ours_name: str
    ours: tuple[float, ...]
    peer_name: str
    peer: tuple[float, ...]
    goal: Goal | None
    settings: Settings
    plot: str
    form: str = ",.0f"
    notes: tuple[str, ...] = ()
    case: str = ""

    @property
    def ratios(self) -> list[float]:
        """Ours by the peer's, run by run; empty where there is no peer."""
        return [mine / theirs for mine, theirs in zip(self.ours, self.peer, strict=True)] if self.peer else []

    @property
    def verdict(self) -> str:
        """Whether the goal is reached; empty where there is none."""
        if self.goal is None:
            return ""
        return self.goal.verdict(statistics.median(self.ours if self.goal.of_ours else self.ratios))

    def row(self) -> list[str]:
        """Its line in the table, below ``HEAD``."""
        peer = f"{spread(self.peer, self.form)}, {self.peer_name}" if self.peer else ""
        ratios = spread(self.ratios, ".2f") if self.peer else ""
        return [
            f"{self.name}, {self.unit}",
            spread(self.ours, self.form),
            peer,
            ratios,
            str(self.goal or ""),
            self.verdict,
        ]


HEAD = ("figure", "ours", "peer", "ratio", "to reach", "reached")


class Results(msgspec.Struct, frozen=True):
    """Everything that was measured, and where: the names and values that describe the machine."""

    machine: dict[str, str] = {}
    figures: tuple[Figure, ...] = ()

    def with_case(self, case: str, figures: Sequence[Figure], order: Sequence[str]) -> "Results":
        """The same with these figures of a case instead of those it had, the cases in this order."""
        kept = [each for each in self.figures if each.case != case]
        added = [msgspec.structs.replace(each, case=case) for each in figures]
        everything = sorted([*kept, *added], key=lambda each: order.index(each.case))
        return Results(self.machine, tuple(everything))


def load_results(path: Path) -> Results:
    """What the file has; nothing where there is none. Raises ``msgspec.DecodeError`` where it is no such file."""
    return msgspec.json.decode(path.read_bytes(), type=Results) if path.exists() else Results()


def save_results(path: Path, results: Results) -> None:
    """Write the file, for people too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
