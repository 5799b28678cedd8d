r"""Entries as JSON lines, to be carried elsewhere and to come back as they were. This docstring is the definition.

::

    {"format":"synap-export","format_version":1,"store_id":"6f1b…","seq":345,"time":"2026-…","time_ms":1764…,"entries":2}
    {"key":"user:1","kind":"json","value":"{\"n\": 1.10}","deadline":"2026-…","deadline_ms":1764…,"version":17}
    {"key":"user:2","kind":"text","value":"…","deadline":null,"deadline_ms":null,"version":340}
    {"total":{"entries":2,"digest":"0c6a…"}}

* The first line says what the file is, and the state of which event it has; only ``format`` and ``format_version`` must
  be there. Of an export of some keys, ``prefix`` says which.
* A ``value`` is text as it is, JSON as its text (in a string, so that it comes back digit for digit), bytes in base64.
  ``deadline_ms`` counts from the epoch; ``deadline`` is for people, and not read.
* The last line shows that nothing was cut off. ``digest`` is that of the state (``keyspace/digest.py``) in hexadecimal
  digits; who writes such a file by other means may leave it out.

Entries come in key order, and may be read in any. Those that are due, but not yet purged, are among them: so the digest
is that of the state, and whoever reads them sees that they are due.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Annotated, BinaryIO, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from synap.commands import Kind
from synap.errors import ClientError, ImportFileError, NewerFormatError, NotOursError, ReplayError
from synap.keyspace import Digest, Keyspace, Limits, state_bytes
from synap.radix import Item
from synap.replay.asof import Moment
from synap.replay.text import KINDS, bytes_text, iso, printable
from synap.snapshot.format import Row

T = TypeVar("T")

FORMAT = "synap-export"
FORMAT_VERSION = 1

_Version = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
_TimeMs = Annotated[int, msgspec.Meta(ge=0, le=2**53)]

_TOTAL = re.compile(rb'\s*\{\s*"total"')
"""How the last line begins, and no other."""

_ESCAPED = 6
r"""How many bytes of a line one byte of a value may take: ``\u0001``."""

_LINE_REST_BYTES = 64 * 1024
"""Room in a line for all but key and value."""


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line."""

    format: str
    format_version: int
    store_id: UUID | UnsetType = UNSET
    seq: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | UnsetType = UNSET
    time: str | UnsetType = UNSET
    time_ms: _TimeMs | UnsetType = UNSET
    prefix: str | UnsetType = UNSET
    entries: int | UnsetType = UNSET


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """An entry."""

    key: str
    kind: str
    value: str
    deadline: str | UnsetType | None = UNSET
    deadline_ms: _TimeMs | None = None
    version: _Version


class Sum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the last line says."""

    entries: int
    digest: str | UnsetType = UNSET


class Tail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line."""

    total: Sum


# --- writing ---------------------------------------------------------------------------------------------


def export_lines(store_id: UUID, keyspace: Keyspace, moment: Moment, prefix: bytes = b"") -> Iterator[bytes]:
    """The lines of a file with the entries under a prefix.

    Raises ``ReplayError`` at an entry that is not what its kind says, which only other programs can have made.
    """
    encode = msgspec.json.Encoder().encode
    count = keyspace.tree.count(prefix)
    head = Head(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        store_id=store_id,
        seq=moment.seq,
        time=iso(moment.time_ms),
        time_ms=moment.time_ms,
        prefix=_text(prefix, "the prefix") if prefix else UNSET,
        entries=count,
    )
    yield encode(head) + b"\n"
    digest = Digest()
    for item in digest.of(keyspace.tree.items(prefix)):
        yield encode(_line(item)) + b"\n"
    yield encode(Tail(Sum(count, state_bytes(digest.value).hex()))) + b"\n"


def _line(item: Item) -> Line:
    key, kind, value, deadline_ms, version = item
    return Line(
        key=_text(key, "the key"),
        kind=KINDS[kind],
        value=b64encode(value).decode() if kind == Kind.BYTES else _text(value, f"the value of {bytes_text(key)}"),
        version=version,
        deadline=None if deadline_ms is None else iso(deadline_ms),
        deadline_ms=deadline_ms,
    )


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as cause:
        raise ReplayError(f"{what} is not UTF-8 and cannot be exported: {bytes_text(data[:100])}") from cause


# --- reading ---------------------------------------------------------------------------------------------


class Import(msgspec.Struct, frozen=True):
    """What was read: the state after the event ``seq`` at ``time_ms`` (None: that was not said), in key order."""

    seq: int
    time_ms: int | None
    rows: list[Row]
    digest: int


def line_max_bytes(limits: Limits) -> int:
    """The longest line that can be meant."""
    return _ESCAPED * (limits.key_max_bytes + limits.value_max_bytes) + _LINE_REST_BYTES


def lines_of(stream: BinaryIO, limits: Limits) -> Iterator[bytes]:
    """The lines of a file; one that is too long comes in pieces that are too long as well."""
    while line := stream.readline(line_max_bytes(limits) + 1):
        yield line


def read_export(lines: Iterable[bytes], name: str, limits: Limits) -> Import:
    """The entries of a file, all of them checked; ``name`` is what the file is called in errors.

    Raises ``ImportFileError``, ``NotOursError`` where it is no such file, ``NewerFormatError``.
    """
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    head = _head(numbered, name)
    reader = _Reader(name, limits, head)
    number = 1
    for number, line in numbered:
        if _TOTAL.match(line):
            reader.end(number, line)
            break
        reader.add(number, line)
    else:
        raise ImportFileError(name, number, "the file ends without its last line: it was cut off")
    for number, _ in numbered:
        raise ImportFileError(name, number, "there is something behind the last line")
    return reader.result()


def _head(numbered: Iterator[tuple[int, bytes]], name: str) -> Head:
    foreign = NotOursError(Path(name), f"{name} is no export of Synap: its first line does not say so")
    try:
        number, line = next(numbered)
        found = msgspec.json.decode(line, type=dict[str, object])
    except (StopIteration, msgspec.DecodeError, UnicodeDecodeError):
        raise foreign from None
    if found.get("format") != FORMAT:
        raise foreign
    version = found.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        message = f"{name} has format {version}; this version of Synap reads {FORMAT_VERSION}"
        raise NewerFormatError(Path(name), message)
    return _decoded(line, Head, name, number)


def _decoded(line: bytes, shape: type[T], name: str, number: int) -> T:
    try:
        return msgspec.json.decode(line, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as cause:
        raise ImportFileError(name, number, printable(str(cause))) from cause


class _Reader:
    """The lines between the first and the last, and what they add up to."""

    def __init__(self, name: str, limits: Limits, head: Head) -> None:
        self._name = name
        self._limits = limits
        self._head = head
        self._rows: list[Row] = []
        self._numbers: dict[bytes, int] = {}
        self._digest = Digest()
        self._max_version = 0
        self._line_max_bytes = line_max_bytes(limits)

    def add(self, number: int, line: bytes) -> None:
        """Take an entry."""
        if len(line) > self._line_max_bytes:
            raise self._error(number, f"it is longer than any entry can be ({self._line_max_bytes:,} bytes)")
        row = self._row(number, _decoded(line, Line, self._name, number))
        key, version = row[0], row[4]
        if (other := self._numbers.setdefault(key, number)) != number:
            raise self._error(number, f"the key {bytes_text(key)} stands in line {other} already")
        if not isinstance(self._head.seq, UnsetType) and version > self._head.seq:
            raise self._error(number, f"version {version} is later than seq {self._head.seq} in the first line")
        self._max_version = max(self._max_version, version)
        self._digest.add(*row)
        self._rows.append(row)

    def _row(self, number: int, line: Line) -> Row:
        if line.kind not in KINDS:
            raise self._error(number, f"there is no kind {printable(line.kind)}; there is {', '.join(KINDS)}")
        kind = Kind(KINDS.index(line.kind))
        try:
            key, value = line.key.encode(), _value(kind, line.value)
            self._limits.check_key(key)
            self._limits.check_value(value)
        except (ClientError, ValueError) as cause:
            raise self._error(number, printable(str(cause))) from cause
        return key, int(kind), value, line.deadline_ms, line.version

    def end(self, number: int, line: bytes) -> None:
        """Take the last line."""
        total = _decoded(line, Tail, self._name, number).total
        for where, entries in (("this line", total.entries), ("the first line", self._head.entries)):
            if entries not in {UNSET, len(self._rows)}:
                raise self._error(number, f"there are {len(self._rows):,} entries, and not {entries} as {where} says")
        digest = UNSET if isinstance(total.digest, UnsetType) else total.digest.lower()
        if digest not in {UNSET, state_bytes(self._digest.value).hex()}:
            raise self._error(number, "the entries have another digest than this line says: some are not as they were")

    def result(self) -> Import:
        """What was read."""
        head = self._head
        return Import(
            seq=self._max_version if isinstance(head.seq, UnsetType) else head.seq,
            time_ms=None if isinstance(head.time_ms, UnsetType) else head.time_ms,
            rows=sorted(self._rows, key=itemgetter(0)),
            digest=self._digest.value,
        )

    def _error(self, number: int, reason: str) -> ImportFileError:
        return ImportFileError(self._name, number, reason)


def _value(kind: Kind, text: str) -> bytes:
    """The bytes of a value. Raises ``ValueError``, which base64's and those of UTF-8 are as well."""
    if kind is Kind.BYTES:
        return b64decode(text, validate=True)
    value = text.encode()
    if kind is Kind.JSON:
        try:
            msgspec.json.decode(value, type=msgspec.Raw)
        except (msgspec.DecodeError, RecursionError) as cause:
            raise ValueError(f"the value is no JSON: {cause}") from cause
    return value
