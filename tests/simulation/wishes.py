"""The commands that a world is given: every write, on few keys, so that they meet what others wrote."""

from random import Random

from synap.commands import (
    Append,
    Copy,
    Delete,
    DeleteMany,
    DeletePrefix,
    Expire,
    GetDelete,
    GetTouch,
    Increment,
    Kind,
    Pair,
    Persist,
    Rename,
    Set,
    SetMany,
    SetRange,
    Write,
)

KEYS = [b"a", b"ab", b"abc", b"b", b"s:1", b"s:2", b"s:22", "s:ü".encode()]
PREFIXES = [b"a", b"ab", b"s:", b"s:2", b"z"]
TTLS_MS = [1, 40, 200, 5_000, 3_600_000]
NUMBERS = [b"0", b"-7", b"9223372036854775807"]


def random_command(rng: Random, now_ms: int, versions: list[int]) -> Write[object]:
    """Any write. ``versions`` are those that it may ask for."""
    key, other = rng.choice(KEYS), rng.choice(KEYS)
    ttl_ms = rng.choice(TTLS_MS)
    if rng.random() < 0.3:
        return _set(rng, key, ttl_ms, now_ms, versions)
    return rng.choice(
        [
            _set_many(rng, ttl_ms),
            Increment(key, rng.choice([1, -1, 2**62]), _if_version(rng, versions)),
            Append(key, rng.choice([b"", b"0", "ü".encode()])),
            SetRange(key, rng.randrange(4), rng.choice([b"", b"1", "ü".encode()])),
            Rename(key, other, rng.random() < 0.5, _if_version(rng, versions)),
            Copy(key, other, replace=rng.random() < 0.5),
            GetTouch(key, ttl_ms),
            GetDelete(key),
            Expire(key, rng.choice([0, ttl_ms])),
            Persist(key),
            Delete(key),
            DeleteMany((key, other)),
            DeletePrefix(rng.choice(PREFIXES)),
        ]
    )


def _set_many(rng: Random, ttl_ms: int) -> SetMany:
    pairs = [Pair(rng.choice(KEYS), Kind.TEXT, b"text", rng.choice([None, ttl_ms])) for _ in range(2)]
    return SetMany((*pairs, Pair(rng.choice(KEYS), Kind.JSON, b"1")), only_if_absent=rng.random() < 0.5)


def _set(rng: Random, key: bytes, ttl_ms: int, now_ms: int, versions: list[int]) -> Set:
    lifetime = rng.randrange(4)
    kind, value = rng.choice(
        [
            (Kind.BYTES, rng.randbytes(rng.choice([0, 5, 300]))),
            (Kind.TEXT, "ü".encode() * rng.choice([0, 2, 150])),
            (rng.choice([Kind.TEXT, Kind.JSON]), rng.choice(NUMBERS)),
        ]
    )
    return Set(
        key=key,
        kind=kind,
        value=value,
        ttl_ms=ttl_ms if lifetime == 1 else None,
        deadline_ms=now_ms + rng.choice([-5, 0, 1, 5_000]) if lifetime == 2 else None,
        keep_ttl=lifetime == 3,
        only_if_absent=rng.random() < 0.15,
        only_if_present=rng.random() < 0.15,
        return_old=rng.random() < 0.3,
        if_version=_if_version(rng, versions),
    )


def _if_version(rng: Random, versions: list[int]) -> int | None:
    return rng.choice([0, *versions]) if rng.random() < 0.2 else None
