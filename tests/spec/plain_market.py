"""The market's draws and splits once more: hashlib, lists and fractions, and nothing of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Member:
    """One who may be drawn."""

    name: bytes
    owner: bytes
    weight: int


def words(tag: str, *parts: bytes) -> Iterator[int]:
    """The words of a stream without end."""
    shake = hashlib.shake_256(tag.encode().ljust(32, b"\0") + b"".join(parts))
    size, at = 1 << 12, 0
    data = shake.digest(size)
    while True:
        if at + 8 > size:
            size *= 2
            data = shake.digest(size)
        yield int.from_bytes(data[at : at + 8], "big")
        at += 8


def below(stream: Iterator[int], bound: int) -> int:
    """A word of those that every residue has as many of."""
    return next(word for word in stream if word < 2**64 - 2**64 % bound) % bound


def member_at(members: list[Member], weight: int) -> Member:
    """Who holds this unit when all stand in a row."""
    for one in members:
        weight -= one.weight
        if weight < 0:
            return one
    raise AssertionError("there is no such unit")


def plain_draws(
    session: bytes,
    slot: int,
    beacon: bytes,
    amounts: tuple[int, int],
    count: int,
    members: list[Member],
    owner: bytes,
) -> list[tuple[int, list[bytes | None]]]:
    """Amounts and names, None for an empty place."""
    stream = words("esper/market/draw/v1", beacon, session, slot.to_bytes(4, "big"))
    total = sum(one.weight for one in members)
    found = []
    for _ in range(count):
        amount = amounts[0] + below(stream, amounts[1] - amounts[0])
        barred, names = {owner}, list[bytes | None]()
        for _ in range(2):
            name = None
            for _ in range(8 if total else 0):
                met = member_at(members, below(stream, total))
                if met.owner not in barred:
                    barred.add(met.owner)
                    name = met.name
                    break
            names.append(name)
        found.append((amount, names))
    return found


def plain_picks(
    session: bytes, slot: int, beacon: bytes, statuses: list[int], openings: int
) -> list[int]:
    """Places of draws, in the order of picking."""
    stream = words("esper/market/pick/v1", beacon, session, slot.to_bytes(4, "big"))
    left = [at for at, status in enumerate(statuses) if status in (1, 2)]
    found: list[int] = []
    while left and len(found) < openings:
        found.append(left[below(stream, len(left))])
        left.remove(found[-1])
    return found


def plain_split(
    amount: int, price: int, statuses: list[int], shares: dict[str, int], *, routed: bool
) -> dict[str, int]:
    """Units by who gets them, from exact fractions that are cut at the end; void draws are 3."""
    counted = [status for status in statuses if status != 3]
    silent = sum(status == 0 for status in counted)
    part = Fraction(amount * silent, len(counted)) if counted else Fraction(0)
    back = int(part)
    burn = min(amount - back, int(part))
    rest = amount - back - burn
    cut = {name: int(Fraction(rest * share, 1000)) for name, share in shares.items()}
    each = int(Fraction(cut["auditors"], len(counted))) if counted else 0
    got = {
        "payer": back + each * silent,
        "burned": burn + cut["burned"] + (0 if routed else cut["router"]),
        "router": cut["router"] if routed else 0,
        "maker": cut["maker"],
        "auditors": each * (len(counted) - silent),
    }
    return got | {"provider": amount + price - sum(got.values())}
