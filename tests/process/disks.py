"""Disks that lose their power, hang, or have no room: real file systems in image files, on loop devices.

It takes root to mount them. Where that, or a tool, is missing, asking for a disk skips the test.
"""

import fcntl
import os
import shutil
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.process.harness import run, wait_until

IMAGE_BYTES = 320 * 1024 * 1024
"""Just over what XFS asks for. The image is sparse: it takes as much room as is written to it."""

WITHOUT_JOURNAL = "ext4 without a journal"
"""Here nothing but the fsync of its directory makes a name durable. A journal takes along whatever was done before."""

_MAKE: Mapping[str, tuple[str, ...]] = {
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
    WITHOUT_JOURNAL: ("mkfs.ext4", "-q", "-F", "-O", "^has_journal"),
}

_FS_IOC_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2
_FIFREEZE = 0xC0045877
_FITHAW = 0xC0045878


class LoopDisk:
    """A file system of its own, mounted at ``place``."""

    def __init__(self, kind: str, image: Path, place: Path) -> None:
        self.place = place
        self._kind = kind
        self._image = image

    def cut_power(self) -> None:
        """From now on nothing reaches the image, neither what waits in memory nor what the journal had in hand.

        Whoever uses the file system gets EIO. Nothing else of the machine takes notice. It is less sudden than a real
        power cut: an fsync that is under way may yet return success for what never reaches the image (ext4 and XFS
        both do, once in twenty times). So whoever would tell others of that must be gone before.
        """
        self._control(_FS_IOC_SHUTDOWN, _NO_LOG_FLUSH)

    def restart(self) -> None:
        """After the power was cut, mount what is in the image."""
        if self._kind == WITHOUT_JOURNAL:
            # Unmounting would write what is in memory, since there is no journal whose end forbids it.
            kept = self._image.with_suffix(".kept")
            assert run(["cp", "--sparse=always", str(self._image), str(kept)]).returncode == 0
            self.unmount()
            kept.replace(self._image)
            # 1: what a journal would have put right was put right.
            assert run(["e2fsck", "-f", "-y", str(self._image)]).returncode in {0, 1}
        else:
            self.unmount()
        self.mount()

    def remount(self) -> None:
        """Make everything durable."""
        self.unmount()
        self.mount()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """While the body runs, everything that would change the file system hangs, and cannot be killed."""
        self._control(_FIFREEZE)
        try:
            yield
        finally:
            self._control(_FITHAW)

    def mount(self) -> None:
        """Raises ``AssertionError`` where it is not allowed."""
        mounted = run(["mount", "-o", "loop", str(self._image), str(self.place)])
        assert mounted.returncode == 0, mounted.stderr.partition("\n")[0]

    def unmount(self) -> None:
        """Wait until nobody has a file open, and give the loop device back."""
        # A process that has lost the one that started it may need a moment to see that.
        assert wait_until(lambda: run(["umount", str(self.place)]).returncode == 0), f"{self.place} is in use"

    def _control(self, request: int, argument: int = 0) -> None:
        directory = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(directory, request, struct.pack("I", argument))
        finally:
            os.close(directory)


@contextmanager
def loop_disk(kind: str, place: Path, image_directory: Path | None = None) -> Iterator[LoopDisk]:
    """An empty file system of this kind at ``place``, whose image is in a directory (that of ``place``).

    Skips the test where it cannot be made.
    """
    image = (image_directory or place.parent) / "image"
    make_image(kind, image)
    place.mkdir()
    disk = LoopDisk(kind, image, place)
    try:
        disk.mount()
    except AssertionError as error:
        pytest.skip(f"{kind} cannot be mounted here (it takes root and loop devices): {error}")
    try:
        yield disk
    finally:
        _put_away(disk)
        image.unlink()


def _put_away(disk: LoopDisk) -> None:
    """Unmount it, also where a test has failed in between, or left somebody there."""
    if not disk.place.is_mount():
        return
    try:
        disk.unmount()
    except AssertionError:
        run(["umount", "--lazy", str(disk.place)])
        raise


def make_image(kind: str, image: Path) -> None:
    """Make a sparse file with an empty file system in it. Skips the test where it cannot be made."""
    command, *options = _MAKE[kind]
    if shutil.which(command) is None:
        pytest.skip(f"{command} is not installed")
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    made = run([command, *options, str(image)])
    assert made.returncode == 0, made.stderr
