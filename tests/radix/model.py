"""The model every tree is compared with: a dict, sorted when order is asked for."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from synap.radix.interface import Entry, Tree

# Few symbols and much in common, so that most keys begin, split or follow another.
KEYS = st.one_of(
    st.text("ab", max_size=5).map(str.encode),
    st.lists(st.sampled_from([b"\x00", b"\xff", b"a", b"abab"]), max_size=4).map(b"".join),
)
# Some deadlines in one bucket of any sensible index, some in neighbouring ones, some far away.
DEADLINES = st.none() | st.integers(-3, 3) | st.integers(-5000, 5000) | st.integers(-(2**62), 2**63 - 1)
VALUES = st.binary(max_size=3)


class TreeMachine(RuleBasedStateMachine):
    """A tree and a dict, told the same."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = self.make()
        self.model: dict[bytes, Entry] = {}

    def make(self) -> Tree:
        """An empty tree."""
        raise NotImplementedError

    def verify(self, tree: Tree) -> None:
        """Assert what must hold inside, where there is a way to look."""
        raise NotImplementedError

    @rule(key=KEYS, kind=st.integers(0, 2), value=VALUES, deadline_ms=DEADLINES, version=st.integers(1, 2**64 - 1))
    def put(self, key: bytes, kind: int, value: bytes, deadline_ms: int | None, version: int) -> None:
        assert self.tree.put(key, kind, value, deadline_ms, version) == self.model.get(key)
        self.model[key] = kind, value, deadline_ms, version

    @rule(keys=st.lists(KEYS, max_size=20))
    def put_many(self, keys: list[bytes]) -> None:
        for key in keys:
            self.put(key, 0, key, len(key), 1)

    @rule()
    def load_all_into_another_tree(self) -> None:
        loaded = self.make()
        loaded.load((key, *self.model[key]) for key in sorted(self.model))
        assert loaded.memory_bytes == self.tree.memory_bytes
        assert loaded.due(2**63) == self.tree.due(2**63)
        # Whatever is done next is done to a tree that was not made by puts.
        self.tree = loaded

    @rule(key=KEYS, deadline_ms=DEADLINES)
    def set_deadline(self, key: bytes, deadline_ms: int | None) -> None:
        old = self.model.get(key)
        assert self.tree.set_deadline(key, deadline_ms) == old
        if old is not None:
            self.model[key] = old[0], old[1], deadline_ms, old[3]

    @rule(key=KEYS)
    def delete(self, key: bytes) -> None:
        assert self.tree.delete(key) == self.model.pop(key, None)

    @rule(prefix=KEYS)
    def delete_prefix(self, prefix: bytes) -> None:
        under = [key for key in self.model if key.startswith(prefix)]
        assert self.tree.delete_prefix(prefix) == len(under)
        for key in under:
            del self.model[key]

    @rule(key=KEYS)
    def get(self, key: bytes) -> None:
        assert self.tree.get(key) == self.model.get(key)
        assert (self.tree.entry_bytes(key) > 0) == (key in self.model)

    @rule(keys=st.lists(KEYS, max_size=20))
    def get_many(self, keys: list[bytes]) -> None:
        assert self.tree.get_many(keys) == [self.model.get(key) for key in keys]

    @rule(keys=st.lists(KEYS, max_size=20))
    def foresee(self, keys: list[bytes]) -> None:
        self.tree.foresee(keys)

    @rule(position=st.integers(0, 30))
    def key_at(self, position: int) -> None:
        keys = sorted(self.model)
        if position < len(keys):
            assert self.tree.key_at(position) == keys[position]
        else:
            with pytest.raises(IndexError):
                self.tree.key_at(position)

    @rule(prefix=KEYS, start=KEYS)
    def iterate(self, prefix: bytes, start: bytes) -> None:
        expected = sorted(key for key in self.model if key.startswith(prefix) and key >= start)
        assert list(self.tree.keys(prefix, start)) == expected
        assert list(self.tree.items(prefix, start)) == [(key, *self.model[key]) for key in expected]
        assert self.tree.count(prefix) == sum(key.startswith(prefix) for key in self.model)

    @rule(now_ms=st.integers(-6000, 6000) | st.just(2**63 - 1), limit=st.none() | st.integers(0, 5))
    def due(self, now_ms: int, limit: int | None) -> None:
        deadlines = [(entry[2], key) for key, entry in self.model.items() if entry[2] is not None]
        all_due = [key for at, key in sorted(deadlines) if at <= now_ms]
        found = self.tree.due(now_ms, limit)
        assert len(found) == len(all_due[:limit])
        assert found == [key for key in all_due if key in set(found)], "some of those that are due, in order"

    @invariant()
    def is_sound(self) -> None:
        assert len(self.tree) == len(self.model)
        self.verify(self.tree)

    def teardown(self) -> None:
        rebuilt = self.make()
        for key, entry in sorted(self.model.items(), reverse=True):
            rebuilt.put(key, *entry)
        assert list(rebuilt.items()) == list(self.tree.items())
        assert rebuilt.memory_bytes == self.tree.memory_bytes
