"""The tree alone: what a session takes in memory and in time, in C and in Python, beside Redis and beside a dict.

1,000,000 sessions (40-byte keys, 300-byte values, with a TTL). Each implementation that is there has them in a process
of its own, Redis in its server; all take turns. Memory is what the process has more, resident, than before it had any.

* *put* adds them one by one, in an order that is not that of their keys; *load* makes the same tree of all of them, in
  order.
* *get, at random* asks for one session after the other, all over the tree; *in turn* for the same 1,000 again and
  again; *hot* for one. So does ``dict.get``, of a dict with the same keys. All include the loop around them.
* *batch* asks for 1,000 keys at once: the same ones each time (*hot*), or others each time (*at random*).
"""

import argparse
import random
import shutil
import subprocess
import sys
import time
import timeit
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import show_table, spread
from benchmarks.processes import environment, resident_bytes
from benchmarks.redis_server import Kept, serving_redis
from benchmarks.sessions import KEY_BYTES, VALUE_BYTES, session, session_key, temporary_directory, wall_ms
from synap.radix import Item, Tree, new_tree

_PIECE = 10_000
"""Sessions that are made at a time, so that making them is not measured and takes no memory to speak of."""

_BATCH = 1000
_ASKED = 200_000
_HOT = 100_000
_HOT_TURNS = 10


class Figures(NamedTuple):
    """What one process measured; times in ns for one session."""

    memory_bytes: float
    own_bytes: float
    put_ns: float
    load_ns: float
    random_ns: float
    hot_ns: float
    dict_ns: float
    turn_ns: float
    dict_turn_ns: float
    batch_random_ns: float
    batch_hot_ns: float


def main() -> None:
    """Print the medians as tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1_000_000, help="entries in a tree (default 1,000,000)")
    parser.add_argument("--rounds", type=int, default=5, help="of everything (default 5)")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(*measure(options.sessions))
        return
    names = ["c", "py"] if find_spec("synap.radix._radix_c") else ["py"]
    measured: dict[str, list[Figures]] = {name: [] for name in names}
    redis_bytes: list[float] = []
    redis = shutil.which("redis-server")
    for _ in range(options.rounds):
        for name in names:
            measured[name].append(_in_child(name, options.sessions))
        if redis is not None:
            with temporary_directory() as directory:
                redis_bytes.append(_redis_bytes(redis, directory, options.sessions))
    print(f"{options.sessions:,} sessions, rounds: {options.rounds}\n")
    _report_memory(measured, redis_bytes)
    print()
    _report_times(measured)


def measure(count: int) -> Figures:
    """Measure the implementation of this process."""
    keys = [session_key(number) for number in range(count)]
    now_ms = wall_ms()
    before_bytes = resident_bytes()
    tree = new_tree()
    put_s = sum(_put(tree, _items(first, min(first + _PIECE, count), now_ms)) for first in range(0, count, _PIECE))
    memory_bytes = (resident_bytes() - before_bytes) / count
    reads = _reads(tree, keys)
    own_bytes = tree.memory_bytes / count
    del tree
    return Figures(memory_bytes, own_bytes, put_s / count * 1e9, _load_ns(sorted(keys), now_ms), *reads)


def _reads(tree: Tree, keys: list[bytes]) -> tuple[float, ...]:
    """The figures from ``random_ns`` on."""
    asked = random.Random(1).choices(keys, k=_ASKED)
    batches = [asked[first : first + _BATCH] for first in range(0, _ASKED, _BATCH)]
    dictionary = dict.fromkeys(keys, tree.get(keys[0]))
    gets = (tree.get, dictionary.get)
    # In turns, as the processor does not always run as fast; the least is what it takes when nothing interferes.
    hot = [[_hot_ns(get, asked[0]) for get in gets] for _ in range(_HOT_TURNS)]
    in_turn = [[_each_ns(get, batches[0] * 20) for get in gets] for _ in hot]
    batch_hot = [_ns(lambda: [tree.get_many(batches[0]) is None for _ in range(50)], 50 * _BATCH) for _ in hot]
    return (
        _each_ns(tree.get, asked),
        *map(min, zip(*hot, strict=True)),
        *map(min, zip(*in_turn, strict=True)),
        _ns(lambda: [None for batch in batches if not tree.get_many(batch)], _ASKED),
        min(batch_hot),
    )


def _items(first: int, end: int, now_ms: int) -> list[Item]:
    made = map(session, range(first, end))
    return [(key, 0, value, now_ms + lasts_ms, first + 1) for key, value, lasts_ms in made]


def _put(tree: Tree, items: list[Item]) -> float:
    """How long it takes to put them, in s."""
    started_s = time.perf_counter()
    for item in items:
        tree.put(*item)
    return time.perf_counter() - started_s


def _load_ns(keys: list[bytes], now_ms: int) -> float:
    """The time that a load takes beside that in which the items are made, for each of them."""
    value = session(0).value
    made: list[Item] = [(key, 0, value, now_ms + number % 3_600_000, number) for number, key in enumerate(keys)]
    # Each time into memory that is touched for the first time, as at a start; the least is without interference.
    return min(_ns(lambda: new_tree().load(made), len(keys)) for _ in range(3))


def _each_ns(get: Callable[[bytes], object], keys: list[bytes]) -> float:
    """The time that ``get`` takes for each of ``keys``, which are all there."""
    return _ns(lambda: [None for key in keys if get(key) is None], len(keys))


def _ns(run: Callable[[], object], count: int) -> float:
    """The time for each of ``count``, in ns."""
    return timeit.timeit(run, number=1) / count * 1e9


def _hot_ns(get: Callable[[bytes], object], key: bytes) -> float:
    return timeit.timeit("get(key)", globals={"get": get, "key": key}, number=_HOT) / _HOT * 1e9


def _in_child(name: str, count: int) -> Figures:
    """What a process with that implementation measures."""
    command = [sys.executable, "-m", "benchmarks.tree", "--measure", "--sessions", str(count)]
    said = subprocess.run(
        command, env={**environment(), "SYNAP_RADIX": name}, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return Figures(*map(float, said.split()))


def _redis_bytes(executable: str, directory: Path, count: int) -> float:
    """What Redis takes for a session."""
    with serving_redis(executable, directory, Kept.RDB) as redis:
        before_bytes = resident_bytes(redis.program.pid)
        redis.store(map(session, range(count)), wall_ms())
        return (resident_bytes(redis.program.pid) - before_bytes) / count


# --- reporting -------------------------------------------------------------------------------------------


def _report_memory(measured: dict[str, list[Figures]], redis_bytes: list[float]) -> None:
    rows = []
    for name, figures in measured.items():
        resident = [each.memory_bytes for each in figures]
        ratios = [mine / theirs for mine, theirs in zip(resident, redis_bytes, strict=False)]
        rows.append(
            [
                f"tree, {name}",
                spread(resident),
                spread([each - KEY_BYTES - VALUE_BYTES for each in resident]),
                spread([each.own_bytes for each in figures]),
                spread(ratios, ".2f") if ratios else "",
            ]
        )
    if redis_bytes:
        rows.append(["Redis", spread(redis_bytes), spread([each - KEY_BYTES - VALUE_BYTES for each in redis_bytes])])
        rows[-1] += ["", "1"]
    head = ["memory a session, bytes", "resident", "not key or value", "by its own account", "times Redis"]
    show_table(head, rows)


def _report_times(measured: dict[str, list[Figures]]) -> None:
    def row(name: str, value: Callable[[Figures], float], form: str = ",.0f") -> list[str]:
        return [name, *(spread([value(each) for each in figures], form) for figures in measured.values())]

    show_table(
        ["", *(f"tree, {name}" for name in measured)],
        [
            row("put, ns", lambda each: each.put_ns),
            row("load, ns", lambda each: each.load_ns),
            row("get, at random, ns", lambda each: each.random_ns),
            row("get, hot, ns", lambda each: each.hot_ns),
            row("dict.get, hot, ns", lambda each: each.dict_ns),
            row("get, hot, times dict.get", lambda each: each.hot_ns / each.dict_ns, ".2f"),
            row("get, 1,000 keys in turn, ns", lambda each: each.turn_ns),
            row("dict.get, in turn, ns", lambda each: each.dict_turn_ns),
            row("get, in turn, times dict.get", lambda each: each.turn_ns / each.dict_turn_ns, ".2f"),
            row("batch, at random, keys a second", lambda each: 1e9 / each.batch_random_ns),
            row("batch, hot, keys a second", lambda each: 1e9 / each.batch_hot_ns),
        ],
    )


if __name__ == "__main__":
    main()
