"""What a block's execution told beside its changes, as the store keeps it. In no hash."""

from dataclasses import dataclass
from typing import Final, TypeVar

from esper.primitives.codec import Codec, decode
from esper.storage.chain_index import penalties_key, rounds_key, settled_key
from esper.storage.chain_store import ChainStore
from esper.vm.governance.proving.taken_penalty import PENALTIES, TakenPenalty
from esper.vm.round_outcome import ROUNDS_OF_BLOCK, RoundOutcome
from esper.vm.settled_bond import SETTLED, SettledBond

T = TypeVar("T")

SETTLED_LIMIT: Final = 1 << 20
"""Bytes of what one block settles: its greatest number, and each has some 115."""

ROUNDS_LIMIT: Final = 1 << 17
"""Bytes of what rounds came to in one block: its greatest number, each of at most 1.4 KB."""

PENALTIES_LIMIT: Final = 1 << 20
"""Bytes of what evidence took in one block: its greatest number, each of at most 240."""


@dataclass(frozen=True, slots=True)
class ToldBeside:
    """For histories: the state knows none of it afterwards."""

    settled: tuple[SettledBond, ...] = ()
    """What became of coins that proposals held, in order."""
    rounds: tuple[RoundOutcome, ...] = ()
    """What rounds of hidden sets came to, in order."""
    penalties: tuple[TakenPenalty, ...] = ()
    """What evidence took from gateways, in order."""


NOTHING_TOLD: Final = ToldBeside()


def told_beside(store: ChainStore, height: int) -> ToldBeside:
    """What the chain's block at a height told."""

    def kept(key: bytes, codec: Codec[tuple[T, ...]], limit: int, what: str) -> tuple[T, ...]:
        found = store.index.store.get(key)
        if found is None:
            return ()
        return decode(codec, found, limit=limit, what=f"{what} of block {height}")

    return ToldBeside(
        kept(settled_key(height), SETTLED, SETTLED_LIMIT, "settled bonds"),
        kept(rounds_key(height), ROUNDS_OF_BLOCK, ROUNDS_LIMIT, "rounds"),
        kept(penalties_key(height), PENALTIES, PENALTIES_LIMIT, "penalties"),
    )
