"""A fold that leaves the first entry out, in a snapshot in which everything fits: ``saboteur.py`` has it run."""

from collections.abc import Iterable, Iterator
from itertools import islice

from synap.keyspace import Changes
from synap.radix import Item
from synap.snapshot.fold import main

_over = Changes.over


def _forget_the_first(self: Changes, before: Iterable[Item]) -> Iterator[Item]:
    return islice(_over(self, before), 1, None)


if __name__ == "__main__":
    Changes.over = _forget_the_first  # type: ignore[method-assign]
    main()
