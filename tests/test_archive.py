"""A running store as a tar file: what is unpacked is a data directory with everything that was acknowledged before."""

import io
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from synap.archive import Archive
from synap.errors import OverloadedError, SnapshotsOffError
from synap.keyspace import Keyspace
from synap.snapshotter import ARCHIVES_MAX
from synap.store import Limits, Store, open_memory_store
from synap.telemetry import Metrics
from tests.engine import set_text
from tests.machine import Machine
from tests.wal.build import DATA, disk_of

VALUE = b"v" * 1000


def unpacked(archive: Archive) -> dict[str, bytes]:
    """The files of an archive by name, after a look at its length."""
    content = b"".join(archive.chunks())
    assert len(content) == archive.size_bytes
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        found = {}
        for member in tar.getmembers():
            file = tar.extractfile(member)
            assert file is not None
            assert member.mode == 0o600
            found[member.name] = file.read()
    return found


async def started_on(files: dict[str, bytes]) -> Keyspace:
    """The state that a server finds in what was unpacked."""
    machine = Machine(fs=disk_of({Path(DATA, name): content for name, content in files.items()}))
    return machine.open().keyspace


async def fill(store: Store, first: int, last: int) -> None:
    for number in range(first, last + 1):
        await store.execute(set_text(b"%d" % number, VALUE))


async def test_what_is_unpacked_is_the_store_as_it_was() -> None:
    async with Machine().life() as store:
        await fill(store, 1, 5)
        with closing(await store.archive()) as archive:
            files = unpacked(archive)
        state = (store.keyspace.seq, store.keyspace.digest)
    assert list(files) == ["wal/00000000000000000001.wal", "wal/00000000000000000006.wal", "STORE"]
    assert len(files["wal/00000000000000000006.wal"]) == 128, "the active segment, as it was begun"
    found = await started_on(files)
    assert (found.seq, found.digest) == state


async def test_the_newest_snapshot_takes_the_place_of_the_log_before_it() -> None:
    async with Machine().life() as store:
        await fill(store, 1, 5)
        await store.take_snapshot()
        await fill(store, 6, 7)
        with closing(await store.archive()) as archive:
            files = unpacked(archive)
        state = (store.keyspace.seq, store.keyspace.digest)
    assert list(files) == [
        "snapshot/00000000000000000005.snap",
        "wal/00000000000000000006.wal",
        "wal/00000000000000000008.wal",
        "STORE",
    ]
    found = await started_on(files)
    assert (found.seq, found.digest) == state


async def test_what_happens_later_is_not_in_it_and_what_is_trimmed_later_is() -> None:
    async with Machine().life() as store:
        await fill(store, 1, 5)
        with closing(await store.archive()) as archive:
            for number in (6, 7, 8):
                await fill(store, number, number)
                await store.take_snapshot()
            assert store.log.first_seq > 6
            found = await started_on(unpacked(archive))
    assert found.seq == 5


async def test_an_empty_store_is_one_too() -> None:
    async with Machine().life() as store:
        with closing(await store.archive()) as archive:
            found = await started_on(unpacked(archive))
    assert (found.seq, len(found.tree)) == (0, 0)


async def test_only_so_many_are_read_at_once() -> None:
    async with Machine().life() as store:
        await fill(store, 1, 1)
        archives = [await store.archive() for _ in range(ARCHIVES_MAX)]
        with pytest.raises(OverloadedError):
            await store.archive()
        archives[0].close()
        archives[0].close()
        archives.append(await store.archive())
        for archive in archives:
            archive.close()


async def test_nothing_kept_is_nothing_to_back_up() -> None:
    store = open_memory_store(Machine().clock, limits=Limits(), metrics=Metrics())
    with pytest.raises(SnapshotsOffError):
        await store.archive()
