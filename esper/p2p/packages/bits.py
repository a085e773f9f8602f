"""Sets of chunks as integers: chunk i is bit i.

An operation on two sets of 65,536 chunks takes microseconds, whatever is in them.
"""

from collections.abc import Iterable

from esper.p2p.ports import Random


def everything(count: int) -> int:
    """All of so many chunks."""
    return (1 << count) - 1


def set_of(indices: Iterable[int], count: int) -> int:
    """The set of some chunks of so many, in time that grows with their number alone.

    Raises IndexError for one beyond them.
    """
    held = bytearray((count + 7) // 8)
    for index in indices:
        if not 0 <= index < count:
            raise IndexError(f"chunk {index} of {count}")
        held[index >> 3] |= 1 << (index & 7)
    return int.from_bytes(held, "little")


def from_wire(bits: bytes) -> int:
    """A set as ``Holdings`` carries it."""
    return int.from_bytes(bits, "little")


def to_wire(chunks: int, count: int) -> bytes:
    """A set as ``Holdings`` carries it."""
    return chunks.to_bytes((count + 7) // 8, "little")


def pick(chunks: int, count: int, random: Random) -> int:
    """One of a set that is not empty: the next at or above a random place, going round."""
    start = random.randrange(count)
    above = chunks >> start
    if above:
        return start + (above & -above).bit_length() - 1
    return (chunks & -chunks).bit_length() - 1


def held_by_more_than(sets: Iterable[int], levels: int) -> list[int]:
    """For 1, 2, … up to ``levels`` holders: the chunks that more than so many of the sets have."""
    found = [0] * (levels + 1)
    for one in sets:
        for level in range(levels, 0, -1):
            found[level] |= found[level - 1] & one
        found[0] |= one
    return found[1:]
