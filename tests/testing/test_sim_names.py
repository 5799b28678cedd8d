"""Which names a power cut leaves: any subset of the changes since the last sync of their directory."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synap.testing import EVERYTHING, NOTHING, Survival
from synap.testing.sim_disk import Inode
from synap.testing.sim_names import Directory, Tree

ROOT = Path("/")
SEEDS = range(200)


def add(tree: Tree, *paths: str) -> None:
    for path in paths:
        tree.add(Path(path), Directory() if path.endswith("/") else Inode())


def sync(tree: Tree, path: str = "/") -> None:
    tree.sync(tree.directory(Path(path)))


def after(tree: Tree, survival: Survival | None = None, *, seed: int = 0) -> frozenset[str]:
    rng = Random(seed)
    tree.lose_power(rng, survival or Survival.draw(rng))
    return frozenset(str(path) for path in _paths(tree, ROOT))


def _paths(tree: Tree, path: Path) -> Iterator[Path]:
    for name, node in tree.directory(path).names.items():
        yield path / name
        if isinstance(node, Directory):
            yield from _paths(tree, path / name)


def test_a_name_is_durable_after_the_sync_of_its_directory() -> None:
    tree = Tree()
    add(tree, "/a")
    sync(tree)
    add(tree, "/b")
    assert after(tree, NOTHING) == {"/a"}


def test_the_sync_of_a_directory_does_nothing_for_another() -> None:
    tree = Tree()
    add(tree, "/d/", "/e/")
    sync(tree)
    add(tree, "/d/a", "/e/a")
    sync(tree, "/e")
    assert after(tree, NOTHING) == {"/d", "/e", "/e/a"}


def test_a_directory_takes_along_what_is_in_it() -> None:
    tree = Tree()
    add(tree, "/d/", "/d/a")
    sync(tree, "/d")
    assert after(tree, NOTHING) == set()


def test_removal_and_renaming_are_undone() -> None:
    tree = Tree()
    add(tree, "/a", "/b")
    sync(tree)
    tree.remove(Path("/a"))
    tree.rename(Path("/b"), Path("/c"))
    assert after(tree, NOTHING) == {"/a", "/b"}


def test_what_survived_is_durable() -> None:
    tree = Tree()
    add(tree, "/a")
    assert after(tree, EVERYTHING) == {"/a"}
    assert after(tree, NOTHING) == {"/a"}


def test_a_rename_without_a_sync_shows_the_old_or_the_new_file_and_never_none() -> None:
    outcomes = set()
    for seed in SEEDS:
        tree, old, new = Tree(), Inode(), Inode()
        tree.add(Path("/STORE"), old)
        tree.add(Path("/STORE.tmp"), new)
        sync(tree)
        tree.rename(Path("/STORE.tmp"), Path("/STORE"))
        names = after(tree, seed=seed)
        outcomes.add((names, tree.node(Path("/STORE")) is new))
    assert outcomes == {(frozenset({"/STORE", "/STORE.tmp"}), False), (frozenset({"/STORE"}), True)}


@pytest.mark.parametrize("synced", ["/d", "/e"])
def test_a_rename_between_directories_is_durable_after_the_sync_of_either(synced: str) -> None:
    tree = Tree()
    add(tree, "/d/", "/e/")
    sync(tree)
    add(tree, "/d/a")
    tree.rename(Path("/d/a"), Path("/e/b"))
    sync(tree, synced)
    assert after(tree, NOTHING) == {"/d", "/e", "/e/b"}


def test_a_durable_rename_outdoes_the_creation_before_it() -> None:
    for seed in SEEDS:
        tree = Tree()
        add(tree, "/d/", "/e/")
        sync(tree)
        add(tree, "/d/a")
        tree.rename(Path("/d/a"), Path("/e/b"))
        sync(tree, "/e")
        assert after(tree, seed=seed) == {"/d", "/e", "/e/b"}


def test_a_file_never_has_two_names_nor_loses_the_last_one_to_a_rename() -> None:
    outcomes = set()
    for seed in SEEDS:
        tree = Tree()
        add(tree, "/a")
        sync(tree)
        tree.rename(Path("/a"), Path("/b"))
        tree.rename(Path("/b"), Path("/c"))
        outcomes.add(after(tree, seed=seed))
    assert outcomes == {frozenset({"/a"}), frozenset({"/b"}), frozenset({"/c"})}


def test_the_order_is_often_kept_as_a_journal_keeps_it() -> None:
    names = [f"/{letter}" for letter in "abcdefgh"]
    broken_off = [frozenset(names[:size]) for size in range(1, len(names))]
    found = 0
    for seed in SEEDS:
        tree = Tree()
        add(tree, *names)
        found += after(tree, seed=seed) in broken_off
    assert found > len(SEEDS) / 20


def test_a_relative_path_is_refused() -> None:
    with pytest.raises(ValueError, match="relative"):
        Tree().node(Path("a"))


# --- the explanation of every outcome --------------------------------------------------------------------

Change = tuple[int, str | None, str | None]
Names = frozenset[tuple[str, int]]


def carried_out(changes: tuple[Change, ...]) -> Names:
    """What the changes of files, each known by a number, make of no names at all."""
    names: dict[str, int] = {}
    for file, source, target in changes:
        names = {name: there for name, there in names.items() if there != file and name not in {source, target}}
        if target is not None:
            names[target] = file
    return frozenset(names.items())


def any_part_of(changes: list[Change], durable: int) -> set[Names]:
    """All that can be left where the first ``durable`` of the changes are."""
    first, others = changes[:durable], changes[durable:]
    subsets = (subset for size in range(len(others) + 1) for subset in combinations(others, size))
    return {carried_out((*first, *subset)) for subset in subsets}


NAME = st.sampled_from("abc")
STEPS = st.lists(st.tuples(st.sampled_from(["create", "rename", "remove", "sync"]), NAME, NAME), max_size=9)


@settings(deadline=None)
@given(STEPS, st.integers(0, 1 << 32))
def test_every_outcome_is_some_part_of_the_changes_in_order(steps: list[tuple[str, str, str]], seed: int) -> None:
    tree, files, changes, durable = Tree(), dict[Inode, int](), list[Change](), 0
    for step, name, other in steps:
        path = Path("/", name)
        if step == "sync":
            sync(tree)
            durable = len(changes)
        elif step == "create" and not tree.exists(path):
            made = Inode()
            files[made] = len(files)
            changes.append((files[made], None, name))
            tree.add(path, made)
        elif step == "rename" and tree.exists(path):
            changes.append((files[tree.file(path)], name, other))
            tree.rename(path, Path("/", other))
        elif step == "remove" and tree.exists(path):
            changes.append((files[tree.file(path)], name, None))
            tree.remove(path)
    left = after(tree, seed=seed)
    assert frozenset((path[1:], files[tree.file(Path(path))]) for path in left) in any_part_of(changes, durable)


def test_every_part_of_three_changes_is_seen() -> None:
    outcomes = set()
    for seed in range(2000):
        tree = Tree()
        add(tree, "/a", "/b", "/c")
        outcomes.add(after(tree, seed=seed))
    assert len(outcomes) == 8
