"""``restore``, ``export`` and ``import``: the state as of a point becomes a new store, directly or by way of a file."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer

from synap.datadir import IN_THE_DIRECTORY, explained
from synap.errors import ReplayError
from synap.founding import Founded, found, refuse_filled
from synap.fs import FileSystem, write_all
from synap.keyspace import Limits, state_bytes
from synap.replay.asof import state_at
from synap.replay.extent import available
from synap.replay.invocation import Invocation
from synap.replay.render import Output
from synap.replay.restore import restore as restore_to
from synap.replay.text import iso, safe_json
from synap.replay.transfer import export_lines, lines_of, read_export

PointOption = Annotated[str, typer.Option("--at", metavar="POINT", help="When.")]

_WRITE_BYTES = 1024 * 1024
"""Lines are written in pieces of about this length."""


class StoreRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A store that was made: ``entries`` as of the event ``seq``, of which ``due`` have come to their end by now."""

    path: str
    store_id: str
    seq: int
    time: str
    time_ms: int
    entries: int
    due: int
    digest: str


def restore(
    invocation: Invocation,
    *,
    at: PointOption,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The new data directory.")],
) -> int:
    """Make a new data directory with all entries as they were at a point.

    A server can be started on it. It holds the entries, and not the events that led to them.
    """
    output, source = invocation.output, invocation.source()
    made = restore_to(source, invocation.point(at), to, output, now_ms=invocation.now_ms)
    moment = made.moment
    _show(output, _store_record(to, made.store, moment.seq, moment.time_ms, made.due))
    output.remark(
        f"not in it: how its entries came to be, and all that happened after seq {moment.seq}; "
        f"{invocation.data_dir} has {available(source)}"
    )
    return 0


def export(
    invocation: Invocation,
    *,
    at: PointOption = "now",
    prefix: Annotated[str, typer.Option(help="Only keys that begin so.")] = "",
    output_file: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Where to; standard output if not said.")
    ] = None,
) -> int:
    """Write all entries as of a point as JSON lines, which ``import`` reads. Values are secrets.

    Entries that are due, but not yet purged, are among them.
    """
    source, output, under = invocation.source(), invocation.output, os.fsencode(prefix)
    keyspace, moment = state_at(source, invocation.point(at), output)
    lines = export_lines(source.directory.store_id, keyspace, moment, under)
    if output_file is None:
        for piece in _pieces(map(safe_json, lines)):
            sys.stdout.buffer.write(piece)
        return 0
    _write_file(invocation.fs, output_file, _pieces(lines))
    output.remark(
        f"{keyspace.tree.count(under):,} entries as of seq {moment.seq} ({iso(moment.time_ms)}) are in {output_file}"
    )
    return 0


def import_(
    invocation: Invocation,
    *,
    file: Annotated[str, typer.Argument(metavar="FILE", help="What export wrote; - is standard input.")],
    value_max_bytes: Annotated[
        int, typer.Option("--max-value-bytes", min=1, help="How large a value may be; as the server's setting.")
    ] = Limits().value_max_bytes,
) -> int:
    """Make DATA_DIR, which must be new or empty, a store with the entries of a file.

    All of the file is checked first: nothing is made of one that is damaged, cut off or wrong.
    """
    fs, target, limits = invocation.fs, invocation.data_dir, Limits(value_max_bytes=value_max_bytes)
    if invocation.places != IN_THE_DIRECTORY:
        raise ReplayError("an import makes the log and the snapshots in DATA_DIR; move them afterwards")
    refuse_filled(fs, target)
    with _opened(file) as stream:
        read = read_export(lines_of(stream, limits), "standard input" if file == "-" else file, limits)
    time_ms = invocation.now_ms if read.time_ms is None else read.time_ms
    made = found(fs, target, read.rows, seq=read.seq, wall_ms=time_ms, now_ms=invocation.now_ms)
    assert made.digest == read.digest
    due = sum(row[3] is not None and row[3] <= invocation.now_ms for row in read.rows)
    _show(invocation.output, _store_record(target, made, read.seq, time_ms, due))
    return 0


import_.__name__ = "import"


def _store_record(path: Path, made: Founded, seq: int, time_ms: int, due: int) -> StoreRecord:
    return StoreRecord(
        path=str(path),
        store_id=str(made.store_id),
        seq=seq,
        time=iso(time_ms),
        time_ms=time_ms,
        entries=made.entries,
        due=due,
        digest=state_bytes(made.digest).hex(),
    )


def _show(output: Output, record: StoreRecord) -> None:
    if output.as_json:
        output.records([record])
        return
    output.text(f"{record.path} is a store of its own, {record.store_id}")
    due = f", of which {record.due:,} have ended by now" if record.due else ""
    output.text(f"{record.entries:,} entries as of seq {record.seq} ({record.time}){due}")
    output.text(f"digest of the state {record.digest}")


# --- files -----------------------------------------------------------------------------------------------


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines in larger pieces."""
    piece: list[bytes] = []
    length = 0
    for line in lines:
        piece.append(line)
        length += len(line)
        if length >= _WRITE_BYTES:
            yield b"".join(piece)
            piece, length = [], 0
    yield b"".join(piece)


def _write_file(fs: FileSystem, path: Path, pieces: Iterable[bytes]) -> None:
    """Make or replace a file, durably; it is there whole or as it was. Only the owner may read it."""
    temporary = path.with_name(path.name + ".tmp")
    with explained(path):
        if fs.exists(temporary):
            fs.remove(temporary)
        try:
            with closing(fs.create(temporary)) as file:
                for piece in pieces:
                    write_all(file, piece)
                file.datasync()
            fs.rename(temporary, path)
        except BaseException:
            with suppress(OSError):
                fs.remove(temporary)
            raise
        fs.sync_directory(path.parent)


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(file).open("rb") as stream:
            yield stream
    except OSError as cause:
        raise ReplayError(f"{file} cannot be read: {cause.strerror}") from cause
