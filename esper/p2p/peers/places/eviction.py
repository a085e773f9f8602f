"""Who leaves when all inbound places are taken: the network page, section 9.

Protected are peers by what an attacker cannot have all of at once: netgroups ranked by our secret,
short ways, work done for us, age. Of the others the youngest of the largest netgroup leaves.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from esper.p2p.peer import PeerNumber
from esper.primitives.hashing import make_tag, tagged_hash32

PROTECTED: Final = 4
"""By each of the four ways."""
TAG_EVICTION: Final = make_tag("esper/p2p/eviction/v1")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An inbound connection, as eviction sees it."""

    number: PeerNumber
    """Of the connection."""
    group: bytes
    """Its netgroup."""
    since_ms: int
    """When it was let in."""
    static: bool = False
    """Configured by the operator."""
    ping_ms: int | None = None
    """Its shortest round trip, None before the first pong."""
    block_ms: int | None = None
    """When it last was the first with a block, None: never."""
    transaction_ms: int | None = None
    """When it last was the first with a transaction, None: never."""


def choose_to_leave(candidates: Collection[Candidate], secret: bytes) -> PeerNumber | None:
    """Whose place the newcomer takes; None if all are protected, so the newcomer goes."""
    rest = [one for one in candidates if not one.static]
    rest = _without(rest, _by_group(rest, secret))
    rest = _without_best(rest, lambda one: one.ping_ms)
    rest = _without_best(rest, lambda one: None if one.block_ms is None else -one.block_ms)
    rest = _without_best(
        rest, lambda one: None if one.transaction_ms is None else -one.transaction_ms
    )
    rest.sort(key=_age)
    rest = rest[(len(rest) + 1) // 2 :]
    if not rest:
        return None
    sizes = Counter(one.group for one in rest)
    return max(rest, key=lambda one: (sizes[one.group], one.since_ms, one.number)).number


def _age(one: Candidate) -> tuple[int, int]:
    """The older the smaller."""
    return one.since_ms, one.number


def _by_group(candidates: Iterable[Candidate], secret: bytes) -> list[Candidate]:
    """The oldest of each of four netgroups that only the secret tells."""
    oldest: dict[bytes, Candidate] = {}
    for one in candidates:
        if one.group not in oldest or _age(one) < _age(oldest[one.group]):
            oldest[one.group] = one
    ranked = sorted(oldest, key=lambda group: tagged_hash32(TAG_EVICTION, secret, group))
    return [oldest[group] for group in ranked[:PROTECTED]]


def _without_best(
    candidates: list[Candidate], measure: Callable[[Candidate], int | None]
) -> list[Candidate]:
    """Those beside the four whose measure is least; who has none is not protected by it."""
    measured: list[tuple[Any, Candidate]] = [
        ((value, _age(one)), one) for one in candidates if (value := measure(one)) is not None
    ]
    measured.sort(key=lambda pair: pair[0])
    return _without(candidates, [one for _, one in measured[:PROTECTED]])


def _without(candidates: list[Candidate], gone: list[Candidate]) -> list[Candidate]:
    numbers = {one.number for one in gone}
    return [one for one in candidates if one.number not in numbers]
