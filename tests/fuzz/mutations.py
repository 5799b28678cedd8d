"""What can happen to bytes: flips, cuts, doublings, exchanges, noise, and numbers that somebody chose."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

NUMBERS = (
    *(0, 1, 2, 3, 5, 7, 8, 72, 127, 128, 255),
    *(
        power + offset
        for bits in (15, 16, 24, 26, 28, 31, 32, 40, 42, 53, 63, 64)
        for power in (1 << bits,)
        for offset in (-1, 0, 1)
    ),
)
"""Numbers at the edges of what fields, formats and limits can hold."""

CBOR_HEADS = bytes(major << 5 | rest for major in range(8) for rest in (0, 1, 2, 23, 24, 25, 26, 27, 31))
"""The first bytes of every kind of CBOR item: of each length, and of none."""

Mutation: TypeAlias = Callable[[bytearray, Random, Sequence[bytes]], None]


def mutated(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """The bytes after one to four mishaps; ``others`` are what pieces may be taken from."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        rng.choice(MUTATIONS)(changed, rng, others)
    return bytes(changed)


def hostile_number(rng: Random, size: int) -> bytes:
    """A number at some edge in a field of this size; in either order of bytes."""
    number = rng.choice(NUMBERS) % (1 << 8 * size)
    return number.to_bytes(size, rng.choice(("little", "little", "big")))


def _place(data: bytearray, rng: Random) -> int:
    """Anywhere, and often where something can begin: the fields of all formats lie at multiples of 4."""
    place = rng.randint(0, len(data))
    return place - place % rng.choice((1, 4, 8, 512))


def _range(data: bytearray, rng: Random) -> slice:
    start = _place(data, rng)
    length = rng.choice((1, 2, 4, 8, 28, 32, 72, 96, 128, 512, rng.randint(1, 4096)))
    return slice(start, min(len(data), start + length))


def _flip(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _put_byte(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice((0, 0xFF, rng.randrange(256), rng.choice(CBOR_HEADS)))


def _put_number(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    size = rng.choice((1, 2, 4, 4, 8, 8))
    place = _place(data, rng)
    data[place : place + size] = hostile_number(rng, size)[: max(0, len(data) - place)]


def _truncate(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    del data[_place(data, rng) :]


def _cut_out(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    del data[_range(data, rng)]


def _double(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    piece = data[_range(data, rng)]
    place = _place(data, rng)
    data[place:place] = piece * rng.choice((1, 1, 2, 10))


def _copy(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    """One piece over another of the same length."""
    piece = data[_range(data, rng)]
    place = _place(data, rng)
    data[place : place + len(piece)] = piece[: max(0, len(data) - place)]


def _exchange(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    first, second = sorted((_range(data, rng), _range(data, rng)), key=lambda piece: piece.start)
    if first.stop <= second.start:
        data[:] = (
            data[: first.start] + data[second] + data[first.stop : second.start] + data[first] + data[second.stop :]
        )


def _splice(data: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    """A piece of another file, in the place of one here, beside it, or instead of all that follows."""
    other = bytearray(rng.choice(others))
    piece = other[_range(other, rng)] if rng.random() < 0.7 else other[_place(other, rng) :]
    place = _place(data, rng)
    data[place : rng.choice((place, place + len(piece), len(data)))] = piece


def _zero(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    piece = _range(data, rng)
    data[piece] = bytes(piece.stop - piece.start)


def _noise(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    piece = _range(data, rng)
    data[piece] = rng.randbytes(piece.stop - piece.start)


def _insert(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    place = _place(data, rng)
    data[place:place] = rng.choice((rng.randbytes(rng.randint(1, 16)), bytes(rng.randint(1, 600))))


MUTATIONS: tuple[Mutation, ...] = (
    _flip,
    _flip,
    _put_byte,
    _put_number,
    _put_number,
    _truncate,
    _cut_out,
    _double,
    _copy,
    _exchange,
    _splice,
    _zero,
    _noise,
    _insert,
)
