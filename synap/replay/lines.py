"""Events and entries as lines of text in columns; the counterpart of ``records.py``."""

from synap.events import DeadlineSet, EntrySet, Event, PrefixDeleted
from synap.radix import Entry
from synap.replay.records import TYPES
from synap.replay.render import Column
from synap.replay.text import KINDS, bytes_text, duration, iso, value_text

TYPE_STYLES = {
    "set": "green",
    "deadline_set": "cyan",
    "deleted": "red",
    "prefix_deleted": "bold red",
    "expired": "yellow",
    "evicted": "bold yellow",
}

EVENT_COLUMNS = (
    Column("seq", 10, right=True),
    Column("time", 24, style="dim"),
    Column("event", 14, styles=TYPE_STYLES),
    Column("kind", 5),
    Column("size", 9, right=True),
    Column("ttl", 7, right=True),
    Column("deadline", 24, style="dim"),
)
KEY_COLUMN = Column("key", 0, style="bold")
VALUE_COLUMN = Column("value", 0)

ENTRY_COLUMNS = (
    Column("kind", 5),
    Column("size", 9, right=True),
    Column("ttl", 7, right=True),
    Column("deadline", 24, style="dim"),
    Column("version", 10, right=True),
    KEY_COLUMN,
)


def event_cells(seq: int, time_ms: int, event: Event) -> list[str]:
    """The cells of ``EVENT_COLUMNS``; empty where they do not apply."""
    kind = size = ttl = deadline = ""
    if isinstance(event, EntrySet):
        kind, size = KINDS[event.kind], str(len(event.value))
    if isinstance(event, EntrySet | DeadlineSet):
        ttl, deadline = _deadline_cells(event.deadline_ms, time_ms)
    return [str(seq), iso(time_ms), TYPES[type(event)], kind, size, ttl, deadline]


def key_cell(event: Event) -> str:
    """The key, or the prefix and an asterisk."""
    return f"{bytes_text(event.prefix)}*" if isinstance(event, PrefixDeleted) else bytes_text(event.key)


def value_cell(event: Event) -> str:
    """The value that an event set, if it did."""
    return value_text(event.kind, event.value) if isinstance(event, EntrySet) else ""


def entry_cells(key: bytes, entry: Entry, now_ms: int) -> list[str]:
    """The cells of ``ENTRY_COLUMNS``, looked at at ``now_ms``."""
    kind, value, deadline_ms, version = entry
    return [KINDS[kind], str(len(value)), *_deadline_cells(deadline_ms, now_ms), str(version), bytes_text(key)]


def _deadline_cells(deadline_ms: int | None, now_ms: int) -> tuple[str, str]:
    return ("", "none") if deadline_ms is None else (duration(deadline_ms - now_ms), iso(deadline_ms))
