r"""Keys, values, times and sizes as text that any terminal may be shown.

Keys and values come from whoever uses the store, so nothing of them is believed: control characters (ANSI escapes
among them), characters without a shape, and bytes that are no UTF-8 become escapes such as ``\x1b``. Backslashes stay
single, so that a key can be copied; that a key *contains* the characters of an escape, only ``--json`` can tell.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from synap.commands import Kind

_DAY_MS = 86_400_000
_UNITS_MS = ((_DAY_MS, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"))
_SIZES = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))

KINDS = tuple(kind.name.lower() for kind in Kind)
"""The names of the kinds of values, by their stored numbers."""


def printable(text: str) -> str:
    """The text without a character that could do anything but be seen."""
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else _escape(char) for char in text])


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def bytes_text(data: bytes) -> str:
    """A key, or a value of bytes."""
    return printable(data.decode("utf-8", "backslashreplace"))


def value_text(kind: int, value: bytes) -> str:
    """A value on one line; JSON in its shortest form, so that what is escaped in it is still JSON."""
    json = compact_json(value) if kind == Kind.JSON else None
    if json is None:
        return bytes_text(value)
    text = json.decode()
    return text if text.isprintable() else _UNSEEN.sub(_json_escape, text)


def compact_json(value: bytes) -> bytes | None:
    """The JSON text of a value on one line, its numbers digit for digit; None where it is no JSON after all."""
    try:
        msgspec.json.decode(value, type=msgspec.Raw)
        compact = msgspec.json.format(value, indent=-1)
        compact.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return compact


_UNSEEN = re.compile(r"[^ -~\w\n]")
"""What may have no shape of its own; most of it has. A newline is never part of JSON's strings: it ends a line."""


def _json_escape(found: re.Match[str]) -> str:
    char = found[0]
    if char.isprintable():
        return char
    utf16 = char.encode("utf-16-be")
    return "".join(f"\\u{utf16[at : at + 2].hex()}" for at in range(0, len(utf16), 2))


def safe_json(line: bytes) -> bytes:
    """JSON of which nothing can do anything to a terminal, and which means the same."""
    if line.isascii() and b"\x7f" not in line:
        return line
    return _UNSEEN.sub(_json_escape, line.decode()).encode()


# --- times and sizes -------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def iso(time_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds; ``@`` and unix seconds for times after the year 9999."""
    seconds, ms = divmod(time_ms, 1000)
    return f"{_iso_seconds(seconds)}.{ms:03d}Z" if seconds < _YEAR_10000_S else f"@{seconds}.{ms:03d}"


_YEAR_10000_S = 253_402_300_800


@lru_cache(maxsize=4096)
def _iso_seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def duration(ms: int) -> str:
    """A length of time in its two largest units, such as ``1d2h``, ``29m59s``, ``1.5s``, ``20ms``."""
    if ms < 0:
        return f"-{duration(-ms)}"
    if ms < 1000:
        return f"{ms}ms"
    if ms < 10_000:
        return f"{ms / 1000:g}s"
    for number, (unit_ms, unit) in enumerate(_UNITS_MS):
        if ms >= unit_ms:
            rest = ms % unit_ms // _UNITS_MS[number + 1][0] if number + 1 < len(_UNITS_MS) else 0
            return f"{ms // unit_ms}{unit}" + (f"{rest}{_UNITS_MS[number + 1][1]}" if rest else "")
    raise AssertionError("over a second there is a unit")


def size(count: int) -> str:
    """A number of bytes, such as ``1.5 MiB``."""
    for unit, unit_bytes in _SIZES:
        if count >= unit_bytes:
            return f"{count / unit_bytes:.1f} {unit}"
    return f"{count} B"
