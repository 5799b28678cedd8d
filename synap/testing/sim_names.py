"""The names of a simulated disk: a tree of directories, and which of its changes are durable.

Every change of a name is kept in order until it is durable. A power cut takes some of the others back and applies
the rest, in order, to the names that were durable. A change says what it leaves behind, not what it found, so that
any subset of them makes sense:

* create: the name is the new file's, whatever it was before;
* remove: the name is gone, and the file has no other;
* rename: the old name is gone, the new one is the file's, and it has no other. Both or nothing.

A change is durable after a sync of a directory it touched; of a rename between two directories that is either of
them, since it is atomic. A directory whose name is lost takes along what is in it.
"""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeAlias

from synap.testing.sim_disk import Inode, Survival


class Directory:
    """Names as they are now, and as they are on the disk."""

    __slots__ = ("durable", "names")

    def __init__(self) -> None:
        self.names: dict[str, Node] = {}
        self.durable: dict[str, Node] = {}


Node: TypeAlias = Inode | Directory


class Place(NamedTuple):
    """A name in a directory, taken or not."""

    directory: Directory
    name: str


@dataclass(slots=True)
class Change:
    """A node leaves ``source`` (None: it is new) and is at ``target`` from now on (None: it is removed)."""

    node: Node
    source: Place | None
    target: Place | None
    durable: bool = False

    def touches(self, directory: Directory) -> bool:
        """Whether one of the two names is in this directory."""
        return any(place is not None and place.directory is directory for place in (self.source, self.target))


def os_error(code: int, path: Path) -> OSError:
    """The error as the operating system would raise it."""
    return OSError(code, os.strerror(code), str(path))


class Tree:
    """The directories of one disk, from the root, which is always there."""

    def __init__(self) -> None:
        self._root = Directory()
        self._changes: list[Change] = []
        # Where the durable names have each node: the change that survives takes it away from there.
        self._homes: dict[Node, Place] = {}

    def node(self, path: Path) -> Node:
        """What is at ``path``, which is absolute."""
        root, *names = path.parts
        if root != "/":
            raise ValueError(f"{path} is relative, and a simulated process has no working directory")
        node: Node = self._root
        for name in names:
            if not isinstance(node, Directory):
                raise os_error(errno.ENOTDIR, path)
            if name not in node.names:
                raise os_error(errno.ENOENT, path)
            node = node.names[name]
        return node

    def directory(self, path: Path) -> Directory:
        """The directory at ``path``."""
        node = self.node(path)
        if not isinstance(node, Directory):
            raise os_error(errno.ENOTDIR, path)
        return node

    def file(self, path: Path) -> Inode:
        """The file at ``path``."""
        node = self.node(path)
        if isinstance(node, Directory):
            raise os_error(errno.EISDIR, path)
        return node

    def exists(self, path: Path) -> bool:
        """Whether there is anything at ``path``."""
        try:
            self.node(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def add(self, path: Path, node: Node) -> None:
        """Give a new node a name that is not taken."""
        place = self._place(path)
        if place.name in place.directory.names:
            raise os_error(errno.EEXIST, path)
        self._change(Change(node, None, place))

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, replacing the file that had it."""
        node, place = self.file(source), self._place(target)
        if isinstance(place.directory.names.get(place.name), Directory):
            raise os_error(errno.EISDIR, target)
        self._change(Change(node, self._place(source), place))

    def remove(self, path: Path) -> None:
        """Take a file's name away."""
        self._change(Change(self.file(path), self._place(path), None))

    def sync(self, directory: Directory) -> None:
        """Make the names of a directory durable."""
        for change in self._changes:
            change.durable = change.durable or change.touches(directory)
        while self._changes and self._changes[0].durable:
            self._settle(self._changes.pop(0))

    def files(self) -> Iterator[Inode]:
        """Every file that has a name."""
        for node in self._nodes(self._root):
            if isinstance(node, Inode):
                yield node

    def lose_power(self, rng: Random, survival: Survival) -> None:
        """Become what the disk shows after a power cut: names first, then the bytes of the files that are left."""
        # A journal loses the end of the order, other disks any part of it.
        in_order = rng.random() < 0.5
        broken_off = False
        for change in self._changes:
            survives = not (in_order and broken_off) and rng.random() < survival.names
            broken_off = broken_off or not survives
            if change.durable or survives:
                self._settle(change)
        self._changes.clear()
        self._show_durable(self._root)
        for inode in self.files():
            inode.lose_power(rng, survival)

    def _place(self, path: Path) -> Place:
        return Place(self.directory(path.parent), path.name)

    def _change(self, change: Change) -> None:
        if change.source is not None:
            del change.source.directory.names[change.source.name]
        if change.target is not None:
            change.target.directory.names[change.target.name] = change.node
        self._changes.append(change)

    def _settle(self, change: Change) -> None:
        """Write one change into the durable names."""
        for place in (change.source, self._homes.get(change.node), change.target):
            if place is not None and (node := place.directory.durable.pop(place.name, None)) is not None:
                del self._homes[node]
        if change.target is not None:
            change.target.directory.durable[change.target.name] = change.node
            self._homes[change.node] = change.target

    def _show_durable(self, directory: Directory) -> None:
        directory.names = dict(directory.durable)
        for node in directory.names.values():
            if isinstance(node, Directory):
                self._show_durable(node)

    def _nodes(self, directory: Directory) -> Iterator[Node]:
        for node in directory.names.values():
            yield node
            if isinstance(node, Directory):
                yield from self._nodes(node)
