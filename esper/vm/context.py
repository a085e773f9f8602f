"""What transactions see of the world beside the state, and what they report back."""

from dataclasses import dataclass
from typing import Final

from esper.crypto.signatures import SequentialVerifier, SignatureVerifier
from esper.dao.registry import Entry
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import NetworkParameters

ONE_BY_ONE: Final = SequentialVerifier()

Answer = tuple[int, ...]
"""Token ids that a model answered, EOS included."""


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """The block that transactions are executed in."""

    params: NetworkParameters
    """The parameters in force: those that the network began with, as votes have moved them."""
    genesis: NetworkParameters
    """The parameters that the network began with."""
    genesis_hash: bytes
    """64 bytes: part of everything that is signed."""
    height: int
    """The block's height."""
    payee: bytes
    """33 bytes: who finds the block."""
    entries: tuple[Entry, ...]
    """Own entries of the tiers, by ascending tier: their models may be called."""
    previous: tuple[Entry, ...] = ()
    """Previous entries: their models may still answer calls that were left open."""
    tier: int = 0
    """The tier that the block is of."""
    fresh: bool = True
    """Whether it is mined with the tier's own entry."""
    beacon: bytes = bytes(HASH_BYTES)
    """64 bytes: randomness of all blocks up to the parent."""
    parent_leaf: bytes = b""
    """The parent as the range over all blocks takes it in: ``consensus.context.block_leaf``."""
    answers: tuple[Answer | None, ...] = ()
    """One for each call of the block, in their order; None for a call that is left open."""
    signatures: SignatureVerifier = ONE_BY_ONE
    """Who checks signatures."""

    @property
    def models(self) -> tuple[ModelEntry, ...]:
        """Models that may be called."""
        return tuple(entry.model for entry in self.entries)

    def entry(self, model_id: ModelId) -> Entry | None:
        """The own entry that has this model."""
        return next((one for one in self.entries if one.model.model_id == model_id), None)

    def answering(self, model_id: ModelId) -> ModelEntry | None:
        """The model of this name, if it may answer what was asked before."""
        found = (one.model for one in (*self.entries, *self.previous))
        return next((model for model in found if model.model_id == model_id), None)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a transaction did beside changing records."""

    burned: int = 0
    """Micro-credits burned."""
    locked: int = 0
    """Micro-credits locked until an answer comes or the call lapses."""
    paid_tokens: int = 0
    """Prompt and answer tokens that were paid for."""
    payer: bytes | None = None
    """33 bytes: whose credits burned; None if it is the sender."""


NO_EFFECT: Final = Effect()
