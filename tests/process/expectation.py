"""What a client may expect of the store, whatever happens to the server: the checker of all random tests.

Each client has a namespace (a prefix of keys) to itself and at most one request under way, so it knows what its
entries are: those after the last acknowledged request or, if one was cut off, those before or those after it, as a
whole. A deadline it asked for as a time is known to the ms; one it asked for as a time to live lies between sending
and answer, until the data directory was read once. From then on it must never change.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from time import time_ns
from typing import NamedTuple, TypeAlias

from synap.datadir import StoreDirectory, look_at_data_directory
from synap.fs import RealFileSystem
from synap.keyspace import Keyspace
from synap.radix import new_tree
from synap.recovery import check_continues, load_snapshot, replay
from synap.snapshot.format import snapshot_name
from synap.snapshot.reader import SnapshotReader, snapshot_seqs
from synap.wal.reader import LogEnd, LogReader
from tests.process.harness import Client


class Span(NamedTuple):
    """From when to when something happened, ms since the epoch."""

    start_ms: int
    end_ms: int


class Expected(NamedTuple):
    """An entry: its text, the span its deadline lies in (None: no deadline), its version if that was told."""

    value: str
    deadline: Span | None = None
    version: int | None = None


Entries: TypeAlias = Mapping[str, Expected]


class Answered(NamedTuple):
    """A request's effect depends on when it was carried out and, for a set, on the version it was given."""

    span: Span
    version: int | None


class Operation(NamedTuple):
    """A request and what it makes of the entries of its namespace."""

    method: str
    path: str
    body: object
    effect: Callable[[Entries, Answered], Entries]


class LostError(AssertionError):
    """The store is not what was acknowledged."""


class ServerFailedError(Exception):
    """The server answered that it could not carry an operation out; the answer is the argument."""


_FAILURES = frozenset({"log_failed", "disk_full", "not_ready", "overloaded"})
"""Types of answers to a write that failed through no mistake of the server."""


def now_ms() -> int:
    """The wall clock, as the server reads it."""
    return time_ns() // 1_000_000


class Namespace:
    """What one client knows of its entries."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.entries: Entries = {}
        self.acknowledged = 0
        self._under_way: tuple[Operation, int] | None = None

    def perform(self, client: Client, operation: Operation) -> None:
        """Carry an operation out. Where the connection breaks, or nobody knows the outcome, it stays under way.

        Raises ``ServerFailedError``, or what ``Client`` raises.
        """
        sent_ms = now_ms()
        self._under_way = operation, sent_ms
        reply = client.request(operation.method, operation.path, operation.body)
        if reply.status == 200:
            version = reply.body.get("version") if isinstance(reply.body, dict) else None
            self.entries = operation.effect(self.entries, Answered(Span(sent_ms, now_ms()), version))
            self.acknowledged += 1
        elif reply.status >= 500:
            assert reply.field("type") in _FAILURES, reply
            if reply.field("outcome") == "not_written":
                self._under_way = None
            raise ServerFailedError(reply)
        else:
            # The one refusal there can be: on a slow machine, an early deadline has passed before it is set.
            assert (reply.status, reply.field("type")) == (400, "invalid_ttl"), reply
        self._under_way = None

    def check_stored(self, found: Entries) -> None:
        """Compare with what the data directory holds after the server's end; from then on expect exactly that."""
        mine = {key: entry for key, entry in found.items() if key.startswith(self.prefix)}
        differences = _differences(self.entries, mine)
        if differences and self._under_way is not None:
            operation, sent_ms = self._under_way
            after = operation.effect(self.entries, Answered(Span(sent_ms, now_ms()), None))
            if not _differences(after, mine):
                differences = []
        if differences:
            cut_off = "nothing" if self._under_way is None else f"{self._under_way[0].method} {self._under_way[0].path}"
            raise LostError(f"{self.prefix}: {'; '.join(differences[:5])} (under way: {cut_off})")
        self.entries = mine
        self._under_way = None

    def check_served(self, client: Client) -> None:
        """Compare with what a running server answers, to the ms."""
        asked_ms = now_ms()
        listed = client.request("GET", f"/kv/keys?pattern={self.prefix}*").field("keys")
        assert isinstance(listed, list)
        check_presence(self.entries, set(listed), Span(asked_ms, now_ms()))
        served = client.get_all(sorted(self.entries))
        for key, value in served.items():
            if value != self.entries[key].value:
                raise LostError(f"{key} has another value")
            self._check_deadline(client, key)

    def _check_deadline(self, client: Client, key: str) -> None:
        deadline = self.entries[key].deadline
        asked_ms = now_ms()
        left_ms = client.request("GET", f"/kv/ttl/{key}").field("ttl_ms")
        assert isinstance(left_ms, int)
        if deadline is None or left_ms < 0:
            gone = left_ms == -2 and deadline is not None and deadline.start_ms <= now_ms()
            if not gone and (left_ms, deadline) != (-1, None):
                raise LostError(f"{key}: {left_ms} ms left, but its deadline is {deadline}")
        elif not asked_ms <= deadline.end_ms - left_ms or not deadline.start_ms - left_ms <= now_ms():
            raise LostError(f"{key}: {left_ms} ms left at {asked_ms}, but its deadline is {deadline}")


def read_entries(data: Path) -> tuple[Entries, LogEnd]:
    """All entries that a data directory holds, and the end of its log, read without changing anything."""
    _, keyspace, end = _read(data)
    entries = {}
    for key, _, value, deadline_ms, version in keyspace.tree.items(b""):
        deadline = None if deadline_ms is None else Span(deadline_ms, deadline_ms)
        entries[key.decode()] = Expected(value.decode(), deadline, version)
    return entries, end


def read_state(data: Path) -> tuple[int, Keyspace]:
    """The state that a data directory holds, and on how many ways one comes to it."""
    ways, keyspace, _ = _read(data)
    return ways, keyspace


def _read(data: Path) -> tuple[int, Keyspace, LogEnd]:
    """Whichever snapshot one begins with (or with nothing, where the log is all there), it must be the same state."""
    directory = look_at_data_directory(RealFileSystem(), data)
    reader = LogReader(directory.fs, directory.wal_directory, directory.store_id)
    states = list(_beginnings(directory, reader))
    for state in states:
        replay(reader.frames(state.seq + 1), state, data)
    if not states:
        raise LostError(f"there is no way to a state in {data}: the log was trimmed, and there is no snapshot")
    keyspace = states[-1]
    if {(state.seq, state.digest) for state in states} != {(keyspace.seq, keyspace.digest)}:
        raise LostError(f"a snapshot of {data} and the log behind it lead to another state than the next one")
    return len(states), keyspace, reader.end


def _beginnings(directory: StoreDirectory, reader: LogReader) -> Iterator[Keyspace]:
    """The states from which the log leads to the last one."""
    if reader.first_seqs[0] == 1:
        yield Keyspace(new_tree())
    for seq in snapshot_seqs(directory.fs, directory.snapshot_directory):
        path = directory.snapshot_directory / snapshot_name(seq)
        with closing(SnapshotReader(directory.fs, path, directory.store_id)) as snapshot:
            yield load_snapshot(snapshot)
            check_continues(directory, snapshot)


def _differences(expected: Entries, found: Entries) -> list[str]:
    now = now_ms()
    wrong = [f"{key} should not be there" for key in found.keys() - expected.keys()]
    for key, entry in expected.items():
        if key in found:
            wrong += _entry_differences(key, entry, found[key])
        elif entry.deadline is None or entry.deadline.start_ms > now:
            wrong.append(f"{key} is missing")
    return wrong


def _entry_differences(key: str, expected: Expected, found: Expected) -> list[str]:
    wrong = []
    if found.value != expected.value:
        wrong.append(f"{key} has another value")
    if expected.version not in {None, found.version}:
        wrong.append(f"{key} has version {found.version}, acknowledged was {expected.version}")
    if (expected.deadline is None) != (found.deadline is None) or (
        expected.deadline is not None
        and found.deadline is not None
        and not expected.deadline.start_ms <= found.deadline.start_ms <= expected.deadline.end_ms
    ):
        wrong.append(f"{key} has deadline {found.deadline}, expected {expected.deadline}")
    return wrong


def check_presence(expected: Entries, found: set[str], asked: Span) -> None:
    """Due is absent, not due is present; between asking and answer, either."""
    if extra := found - expected.keys():
        raise LostError(f"{extra} should not be there")
    for key, (_, deadline, _) in expected.items():
        if key in found:
            if deadline is not None and deadline.end_ms <= asked.start_ms:
                raise LostError(f"{key} is there, but its deadline was {deadline}")
        elif deadline is None or deadline.start_ms > asked.end_ms:
            raise LostError(f"{key} is missing")
