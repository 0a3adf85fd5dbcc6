"""Damage, decided by a random generator alone: the same seed and case number give the same bytes anywhere."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tests.support.datasets import VRS

LENGTHS = (
    0,
    1,
    2,
    7,
    8,
    9,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFE,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFE,
    0xFFFFFFFF,
)
MARKS = (
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
    b"\xfe\xff\x00\xe0\x00\x00\x00\x00",
    b"\xfe\xff\x0d\xe0\x00\x00\x00\x00",
    b"\xfe\xff\xdd\xe0\x00\x00\x00\x00",
    b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff",
    b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff",
    b"\x08\x00\x40\x11UN\x00\x00\xff\xff\xff\xff",
    b"\x09\x00\x10\x00LO\x04\x00ACME",
    b"\x10\x00\x20\x00LO\x02\x00P1",
)
MOST = 1 << 18
"""Bytes of a mutant; more is cut off."""

Mutation = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def flip_bits(source: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    for _n in range(source.randint(1, 4)):
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)


def change_bytes(source: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = source.randrange(len(data))
    data[at : at + source.randint(1, 8)] = source.randbytes(source.randint(1, 8))


def change_length(source: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    """Two or four bytes become a length that is likely to hurt, in either byte order."""
    size = source.choice((2, 4, 4))
    at = source.randrange(len(data))
    length = source.choice(LENGTHS) if source.random() < 0.7 else len(data) - at + source.randint(-13, 13)
    order = source.choice(("little", "little", "big"))
    data[at : at + size] = (length & ((1 << 8 * size) - 1)).to_bytes(size, order)  # type: ignore[arg-type]


def change_vr(source: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    """Two capital letters that stand where a VR may stand become another VR."""
    begin = source.randrange(len(data))
    for at in range(begin, min(len(data) - 1, begin + 200)):
        if data[at : at + 2].isupper():
            data[at : at + 2] = source.choice(VRS).encode()
            return


def delete(source: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = source.randrange(len(data))
    del data[at : at + source.choice((1, 2, 4, 8, 12, source.randint(1, len(data))))]


def cut(source: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[source.randrange(len(data)) :]


def repeat(source: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at, size = source.randrange(len(data)), source.choice((1, 8, 20, 64, 512))
    data[at:at] = data[at : at + size] * source.choice((1, 1, 2, 50))


def mark(source: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    """A header in the middle of something, over it or between."""
    at, header = source.randrange(len(data)), source.choice(MARKS)
    data[at : at + (len(header) if source.random() < 0.5 else 0)] = header


def splice(source: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    """The rest of another file, or a piece of it."""
    other = source.choice(others)
    at, start = source.randrange(len(data)), source.randrange(len(other) or 1)
    piece = other[start : start + source.choice((16, 200, len(other)))]
    data[at : at + source.choice((0, len(piece)))] = piece


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    change_bytes,
    change_length,
    change_length,
    change_vr,
    delete,
    cut,
    repeat,
    mark,
    mark,
    splice,
)


def mutate(source: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of `seeds` with up to six kinds of damage; at most `MOST` bytes."""
    data = bytearray(source.choice(seeds))
    for _ in range(source.choice((0, 1, 1, 1, 2, 2, 3, 6))):
        if data:
            source.choice(MUTATIONS)(source, data, seeds)
        del data[MOST:]
    return bytes(data)
